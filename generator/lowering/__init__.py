"""From a program's Python to canonical generated source for both targets."""
