"""Tells from the syntax tree of a program what it uses."""
