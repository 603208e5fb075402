"""The recurrence, the values at 0 and the derivatives of the phi functions."""

import sympy
from sympy import Rational, Symbol, diff, simplify

from solvergen.algebra.phi import elementary, phi

theta = Symbol("theta", real=True)


def test_phi_functions() -> None:
    """phi_(k+1)(z) = (phi_k(z) - 1/k!)/z, phi_k(0) = 1/k!, and the derivative."""
    for k in range(5):
        step = (phi(k, theta) - Rational(1, sympy.factorial(k))) / theta
        assert simplify(elementary(phi(k + 1, theta) - step)) == 0
        assert phi(k, 0) == Rational(1, sympy.factorial(k))
        assert sympy.limit(elementary(phi(k, theta)), theta, 0) == phi(k, 0)
        assert simplify(elementary(diff(phi(k + 1, theta), theta) - diff(step, theta))) == 0
