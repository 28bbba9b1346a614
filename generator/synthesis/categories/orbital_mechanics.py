"""Orbits, attitudes, frames and visibility."""

from generator.synthesis.categories._orbit_bodies import (
    many_body,
    relative_motion,
    three_body,
    universal_variables,
)
from generator.synthesis.categories._orbit_elements import attitude, elements
from generator.synthesis.categories._orbit_frames import frames, visibility
from generator.synthesis.categories._orbit_kepler import kepler_propagation
from generator.synthesis.categories._orbit_motion import perturbed
from generator.synthesis.categories._orbit_planning import conjunctions, maneuvers
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("orbital_mechanics", version=1, title="Orbital mechanics and attitude")
def write(p: ProgramBuilder) -> None:
    """Satellites and small bodies: Kepler's equation, perturbed and universal propagation, element conversion, N-body
    sums, relative and three-body motion, attitude dynamics and control, reference frames, eclipses and conjunctions."""
    intents = {
        kepler_propagation: 1.7,
        perturbed: 1.9,
        many_body: 1.2,
        universal_variables: 0.9,
        relative_motion: 1.0,
        three_body: 0.9,
        elements: 1.4,
        attitude: 1.7,
        frames: 1.4,
        visibility: 1.5,
        conjunctions: 1.1,
        maneuvers: 1.0,
    }
    orbit = {perturbed, elements, frames, visibility}
    write_step(p, intents, orbit, {kepler_propagation, maneuvers}, limit=35)
