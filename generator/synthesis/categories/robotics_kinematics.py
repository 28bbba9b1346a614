"""Robot kinematics, dynamics sweeps, control and sensing in batched worlds."""

from generator.synthesis.categories._attitude_forms import from_angles
from generator.synthesis.categories._mesh_extents import extents
from generator.synthesis.categories._mesh_hierarchy import capsules
from generator.synthesis.categories._robot_cables import self_collision, tendon
from generator.synthesis.categories._robot_contacts import contacts
from generator.synthesis.categories._robot_control import actuators, integrate_joints
from generator.synthesis.categories._robot_dynamics import (
    apply_wrenches,
    inverse_dynamics,
    mass_matrix,
    momentum,
)
from generator.synthesis.categories._robot_ik import inverse_kinematics, two_link
from generator.synthesis.categories._robot_kinematics import forward_kinematics, jacobian
from generator.synthesis.categories._robot_motion import mobile_base, trajectories
from generator.synthesis.categories._robot_sensors import frames, sensors
from generator.synthesis.categories._robot_spatial import spatial_products
from generator.synthesis.categories._scene_graph import instance_matrices
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("robotics_kinematics", version=1, title="Robot kinematics, control and sensing")
def write(p: ProgramBuilder) -> None:
    """Articulated robots in many worlds: forward kinematics, Jacobians, Newton-Euler and composite-body sweeps,
    inverse kinematics, actuators, joint integration, contact frames, tendons, capsule checks and simulated sensors."""
    intents = {
        forward_kinematics: 1.8,
        jacobian: 1.4,
        inverse_dynamics: 1.2,
        mass_matrix: 0.9,
        momentum: 1.0,
        apply_wrenches: 1.0,
        inverse_kinematics: 1.2,
        two_link: 0.6,
        actuators: 1.8,
        integrate_joints: 1.0,
        trajectories: 1.1,
        mobile_base: 0.9,
        sensors: 1.4,
        contacts: 1.4,
        tendon: 1.0,
        self_collision: 1.0,
        frames: 1.0,
        spatial_products: 3.8,
        from_angles: 1.0,
        instance_matrices: 1.4,
        capsules: 1.2,
        extents: 0.6,
    }
    tree = {
        forward_kinematics,
        jacobian,
        momentum,
        inverse_kinematics,
    }
    joints = {actuators, trajectories}
    write_step(p, intents, tree, joints, limit=35)
