"""Runs in float64: the scalars of any method on a grid, and the matrix of a run."""
