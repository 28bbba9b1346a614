"""Typed synthesis of Warp programs: a tree of typed nodes, rendered to Python at the end."""
