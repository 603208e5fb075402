"""sympy made bounded, exact and accurate."""
