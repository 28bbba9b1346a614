"""Checks of a program: every one runs it and returns a Verdict."""
