"""Crowds, flocks, vehicles and flow fields."""

from generator.synthesis.categories._crowd_agents import flocking, pedestrians
from generator.synthesis.categories._crowd_cars import car_following
from generator.synthesis.categories._crowd_control import platoon, signals
from generator.synthesis.categories._crowd_fields import cost_field, follow_field, statistics
from generator.synthesis.categories._crowd_flow import cellular, macroscopic
from generator.synthesis.categories._crowd_steering import steering, velocity_obstacles
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("agent_crowds", version=1, title="Flocks, crowds and traffic flow")
def write(p: ProgramBuilder) -> None:
    """Many moving agents: boids, social forces, steering, velocity obstacles, car following with lane changes, cellular
    lanes and floor fields, macroscopic traffic flow, flow-field navigation, signals and platoons."""
    intents = {
        flocking: 1.8,
        pedestrians: 1.8,
        steering: 1.5,
        velocity_obstacles: 1.2,
        car_following: 1.8,
        cellular: 1.2,
        macroscopic: 1.2,
        cost_field: 1.2,
        follow_field: 1.3,
        signals: 1.0,
        platoon: 1.0,
        statistics: 1.4,
    }
    write_step(p, intents, {statistics, follow_field}, limit=25)
