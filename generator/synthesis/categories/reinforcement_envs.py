"""Reinforcement-learning environments and training kernels over thousands of worlds."""

from generator.synthesis.categories import _rl_classic as classic
from generator.synthesis.categories import _rl_locomotion as locomotion
from generator.synthesis.categories import _rl_training as training
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("reinforcement_envs", version=1, title="Reinforcement-learning environments")
def write(p: ProgramBuilder) -> None:
    """Batched environments and their training loop: classic control, drones, legged locomotion and manipulation tasks;
    observations, shaped rewards, terminations, resets, domain randomisation, returns and policy losses."""
    intents = {
        classic.cartpole: 1.0, classic.pendulum: 1.0, classic.quadrotor: 0.9, classic.grid_world: 0.9,
        locomotion.reward: 1.8, locomotion.observation: 1.4, locomotion.termination: 1.3, locomotion.commands: 1.0,
        training.actions: 1.3, training.reset: 1.2, training.randomize: 1.1, training.manipulation: 1.2, training.learning: 2.0,
    }  # fmt: skip
    legged = {
        locomotion.reward,
        locomotion.observation,
        locomotion.termination,
        locomotion.commands,
        training.reset,
    }
    write_step(p, intents, legged, {training.reset, training.randomize}, limit=30)
