"""Builds the Warp-IR dataset: synthesis, lowering, checks, curation, output."""

__version__ = "0.1.0"
