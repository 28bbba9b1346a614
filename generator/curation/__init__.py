"""Curation: which of the lowered programs become rows, and in which split."""
