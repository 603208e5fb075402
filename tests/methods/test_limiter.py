"""Bounded weights: what they are, and what they leave of the order."""

from fractions import Fraction

import numpy as np
import pytest

import solvergen as sg
from solvergen.errors import SchemeError
from solvergen.methods import limiter
from solvergen.methods.rule import INTERPOLATION
from solvergen.program import lowering, order
from solvergen.program.order import EVEN
from solvergen.specification import schemes

EXTRAPOLATING = [
    *(f"multistep:{k}{end}" for k in (2, 3, 4, 5) for end in ("", ":ramp")),
    *(f"unipc:{k}{end}" for k in (1, 2, 3) for end in ("", ":exact:ramp", ":bh2:ramp:ramp")),
    "unip:3:bh2:ramp",
    "pece:3",
    "adams_moulton:3:2",
    "general_linear:3:2",
    "1:{0} | 1:{-1,0}",
    "1:{0} | 1:{0,-1} | 1:{0,-2}",
]
ADAMS_BASHFORTH = {2: 2, 3: Fraction(11, 3), 4: Fraction(20, 3), 5: Fraction(551, 45)}


def weights(nodes: list[Fraction], density: int) -> list[Fraction]:
    """Of nodes r_0 = 0 > r_1 > .. in the clock with the density 1 + d theta."""

    def moment(k: int, _: object) -> Fraction:
        total = Fraction(1) + Fraction(density, 2)
        return (Fraction(1, k + 1) + Fraction(density, k + 2)) / total

    return INTERPOLATION.weights(nodes, moment, lambda: Fraction(1))


def bisected(weights: list[list[Fraction]], limits: list[float]) -> np.ndarray:
    """The rule by the largest share that keeps sum |ell| within the limit, in floating point."""
    padded = [np.pad(np.array(w, dtype=float), (0, len(weights) - len(w))) for w in weights]
    best = padded[0]
    for w, limit in zip(padded[1:], limits, strict=True):
        if np.abs(w).sum() <= limit:
            best = w
            continue
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            inside = np.abs((1 - middle) * best + middle * w).sum() <= limit
            low, high = (middle, high) if inside else (low, middle)
        return (1 - low) * best + low * w
    return best


@pytest.mark.parametrize("seed", range(40))
def test_weights_are_bounded_by_blending(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 6))
    steps = [Fraction(int(rng.integers(1, 60)), int(rng.integers(1, 60))) for _ in range(count - 1)]
    nodes = [-sum(steps[:j], Fraction(0)) for j in range(count)]
    factor = Fraction(int(rng.integers(10, 16)), 10)
    density = int(rng.integers(0, 3))
    bound = limiter.Bound(factor, tuple(Fraction(-j) for j in range(count)))
    limits = list(bound.limits)
    assert limits == [factor * ADAMS_BASHFORTH[k] for k in range(2, count + 1)]
    whole = [weights(nodes[:k], density) for k in range(1, count + 1)]
    found = bound.weights(nodes, lambda places: weights(places, density))
    assert sum(found) == 1
    assert all((-1) ** j * one >= 0 for j, one in enumerate(found))
    reached = sum(map(abs, found))
    assert reached <= limits[-1]
    np.testing.assert_allclose(
        np.array(found, dtype=float), bisected(whole, list(map(float, limits))), atol=1e-12
    )
    inside = all(sum(map(abs, w)) <= one for w, one in zip(whole[1:], limits, strict=True))
    assert (found == whole[-1]) == inside
    assert inside or reached in limits


@pytest.mark.parametrize("text", EXTRAPOLATING)
@pytest.mark.parametrize("same_clock", [False, True])
def test_the_default_keeps_the_order(text: str, same_clock: bool) -> None:
    scheme = schemes.get(text)
    plain = order.report(lowering.lower(scheme), same_clock)
    bound = lowering.lower(scheme, factor=limiter.default(scheme))
    assert bound.is_limited == (limiter.nodes_of(scheme) > 0)
    assert order.report(bound, same_clock) == plain
    assert bound.unlimited == lowering.lower(scheme)


@pytest.mark.parametrize("k", [3, 4, 5])
def test_bounds_of_even_steps_leave_order_two(k: int) -> None:
    """In steps that grow ever so little; the report says so."""
    found = order.report(lowering.lower(schemes.multistep(k, "ramp"), factor=Fraction(1)))
    assert found.main == 2


def test_on_even_steps_bounds_at_them_leave_the_weights_of_adams() -> None:
    """And these have order 2 in every clock, if steps are even alone."""
    program = lowering.lower(schemes.multistep(2, "ramp"), factor=Fraction(1))
    assert order.report(program.at_its_limits, ratios=EVEN).main == 2
    assert order.report(program.at_its_limits).main == 1


@pytest.mark.parametrize("text", ["euler", "heun", "singlestep:3", "rk4", "dpm_23", "ipndm"])
def test_what_does_not_extrapolate_has_no_bounds(text: str) -> None:
    scheme = schemes.get("multistep:1" if text == "ipndm" else text)
    assert limiter.default(scheme) is None
    with pytest.raises(SchemeError, match="none of whose landings extrapolates"):
        sg.Solver("vp_linear", scheme=scheme, limiter=1.5)


@pytest.mark.parametrize("value", [0, 0.99, -1, "x", "inf", float("nan"), [], "1/0", 1e9, "1" * 30])
def test_other_bounds_are_refused(value: object) -> None:
    with pytest.raises(SchemeError, match=r"limiter: got .* expected a number from 1"):
        sg.Solver("vp_linear", scheme="multistep:2", limiter=value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, None), (None, "none"), (False, "none"), (1.25, "5/4"), ("1.5", "3/2")],
)
def test_the_specification_says_what_is_not_the_default(value: object, text: str | None) -> None:
    spec = sg.Solver("rectified_flow", "flow", scheme="multistep:3", limiter=value)
    assert spec.specification.get("limiter") == text
    again = sg.from_specification(spec.specification)
    assert (again, again.content_hash) == (spec, spec.content_hash)
    assert (f"--limiter {text}" in spec.arguments) == (text is not None)


def test_published_code_is_not_bounded() -> None:
    assert sg.presets.get("dpm_solver_3m_as_published", "vp_linear").limiter is None
    assert sg.presets.get("dpm_solver_3m", "vp_linear").limiter == Fraction(11, 10)
    assert sg.presets.get("dpm_solver_3m", "vp_linear", limiter=None).limiter is None
