"""Grains with radii and close pairs."""

from generator.synthesis import recipes as R
from generator.synthesis.categories._neighbourhood import Cloud
from generator.synthesis.program import KernelBuilder
from generator.synthesis.tree import Expr

_KINDS = {
    "grid": 3.5,
    "sorted": 2.5,
    "next": 0.6,
    "csr": 1.2,
    "table": 2.2,
    "linked": 0.3,
    "all": 1.2,
    "cells": 1,
}


class Grains:
    """Grains with radii, velocities and perhaps spins, and their close pairs."""

    def __init__(self, k: KernelBuilder) -> None:
        p = k.p
        self.cloud = c = Cloud(
            k, "particle|grain|sphere", radius="max_contact_dist|search_radius|query_radius|interaction_range|cutoff",
            kinds=_KINDS, reach=(0.2, 0.26),
        )  # fmt: skip
        self.size = c.reach / (2.4 if not c.listed else 2.2)
        self.mixed = p.chance(0.55)
        if self.mixed:
            self.radii = c.e.field(
                "radii|radius|particle_radius|grain_radius",
                p.real,
                R.uniform(0.6 * self.size, self.size),
            )
        else:
            self.common = k.quantity(
                "grain_radius|particle_radius|radius|r_grain", p.real, round(0.9 * self.size, 4)
            )

    def radius(self, j: Expr | None = None) -> Expr:
        """A grain's radius: this thread's, or that of grain `j`."""
        if not self.mixed:
            return self.common
        return self.radii.own if j is None else self.radii[j]
