"""Stability and error constants against what the textbooks print."""

from fractions import Fraction
from functools import partial
from math import factorial

import numpy as np
import pytest

import solvergen as sg
from solvergen.program import lowering, program
from solvergen.program.stability import (
    error_constants,
    is_zero_stable,
    propagation,
    real_interval,
)
from solvergen.specification import schemes


def lowered(text: str) -> program.StepProgram:
    return lowering.lower(schemes.get(text))


@pytest.mark.parametrize(
    ("k", "constant"), [(1, "1/2"), (2, "5/12"), (3, "3/8"), (4, "251/720"), (5, "95/288")]
)
def test_adams_bashforth_constants(k: int, constant: str) -> None:
    """C_(k+1) of Hairer, Norsett and Wanner 1993, section III.2; linear problems see the same."""
    found = error_constants(lowered(f"multistep:{k}"), k)
    assert found.quadrature == found.linear == Fraction(constant)


@pytest.mark.parametrize(("k", "constant"), [(2, "-1/12"), (3, "-1/24"), (4, "-19/720")])
def test_adams_moulton_constants(k: int, constant: str) -> None:
    assert error_constants(lowered(f"adams_moulton:{k}:3"), k).quadrature == Fraction(constant)


@pytest.mark.parametrize(("p", "constant"), [(1, "-1/12"), (2, "-1/24"), (3, "-19/720")])
def test_unipc_adds_what_its_corrector_adds(p: int, constant: str) -> None:
    """The quadrature constant of Adams-Moulton; for x' = x, where N is that of predicted samples,
    the constant of Adams-Bashforth with as many nodes as the corrector, whose roots it has."""
    found = error_constants(lowered(f"unipc:{p}:exact"), p + 1)
    assert found.quadrature == Fraction(constant)
    assert found.linear == error_constants(lowered(f"multistep:{p + 1}"), p + 1).linear


@pytest.mark.slow_but(1)
@pytest.mark.parametrize("limit", [20, 40])
@pytest.mark.parametrize("name", ["backward_euler", "trapezoidal"])
def test_region_ends_where_the_module_gives_up(name: str, limit: int) -> None:
    """Just inside of the interval a module takes its step, just outside it raises."""
    text = f"{name}:tol=1e-6:{limit}"
    left = real_interval(lowered(text))
    module = sg.compile(sg.Solver("rectified_flow", "flow", "flow", "time", text), "numpy")
    x = np.ones(1)
    for z, stops in ((0.999 * left, False), (1.001 * left, True)):
        network = partial(lambda y, t, rate: rate * y, rate=10 * z)  # over a step of -1/10
        if stops:
            with pytest.raises(RuntimeError, match="not solved"):
                module.sample(network, x, [0.6, 0.5])
        else:
            module.sample(network, x, [0.6, 0.5])


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("rk4", 4), ("kutta3", 3)])
def test_stability_function_of_explicit_runge_kutta(name: str, order: int) -> None:
    """R(z) is the exponential's Taylor polynomial when stages = order."""
    for z in (0.3, -1.2 + 0.7j):
        taylor = sum(z**k / factorial(k) for k in range(order + 1))
        assert abs(propagation(lowered(name), z)[0, 0] - taylor) < 1e-14
    assert error_constants(lowered(name), order).linear == Fraction(1, factorial(order + 1))


@pytest.mark.parametrize(
    ("text", "left"),
    [("euler", 2.0), ("multistep:2", 1.0), ("multistep:3", 6 / 11), ("rk4", 2.785293563)],
)
def test_real_stability_interval(text: str, left: float) -> None:
    assert abs(real_interval(lowered(text)) - left) < 1e-6


@pytest.mark.parametrize(
    "text", ["multistep:8", "unipc:3:exact", "pece:4", "fehlberg8", "krogstad"]
)
def test_zero_stable(text: str) -> None:
    assert is_zero_stable(lowered(text))


def test_unipc_on_equal_steps_is_adams_bashforth_of_one_more_order() -> None:
    """Without re-evaluation the corrector adds what the next difference would: the same N, and the
    same eigenvalues."""
    for z in (-0.2, -0.4 + 0.3j):
        one, other = (
            np.linalg.eigvals(propagation(lowered(text), z))
            for text in ("unipc:2:exact", "multistep:3")
        )
        nonzero = [np.sort_complex(roots[np.abs(roots) > 1e-9]) for roots in (one, other)]
        assert np.abs(nonzero[0] - nonzero[1]).max() < 1e-9
