"""The scalars of a run: rates, quadrature, and the same in many digits."""
