"""Reinforcement-learning environments and training kernels over thousands of worlds."""

from generator.synthesis.categories._mesh_crossings import grouped_rays
from generator.synthesis.categories._rl_actions import actions
from generator.synthesis.categories._rl_agents import grid_world, quadrotor
from generator.synthesis.categories._rl_classic import cartpole
from generator.synthesis.categories._rl_learning import learning
from generator.synthesis.categories._rl_manipulation import manipulation
from generator.synthesis.categories._rl_observations import observation
from generator.synthesis.categories._rl_pendulums import pendulum
from generator.synthesis.categories._rl_resets import randomize, reset
from generator.synthesis.categories._rl_rewards import reward
from generator.synthesis.categories._rl_terminations import commands, termination
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("reinforcement_envs", version=1, title="Reinforcement-learning environments")
def write(p: ProgramBuilder) -> None:
    """Batched environments and their training loop: classic control, drones, legged locomotion and manipulation tasks;
    observations, shaped rewards, terminations, resets, domain randomisation, returns and policy losses."""
    intents = {
        cartpole: 1.0,
        pendulum: 1.0,
        quadrotor: 0.9,
        grid_world: 0.9,
        reward: 1.8,
        observation: 1.4,
        termination: 1.3,
        commands: 1.0,
        actions: 1.3,
        reset: 1.2,
        randomize: 1.1,
        manipulation: 1.2,
        learning: 2.0,
        grouped_rays: 1.0,
    }
    legged = {
        reward,
        observation,
        termination,
        commands,
        reset,
    }
    write_step(p, intents, legged, {reset, randomize}, limit=30)
