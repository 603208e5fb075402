"""Orders at the ends of a domain: computed on power series there, and measured where they are."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import solvergen as sg
from solvergen.measurement import beside_ends
from solvergen.measurement.ends import gamma_at
from solvergen.measurement.problems import GaussianMixture
from solvergen.measurement.verification import assert_order, check_order_to_the_ends
from solvergen.program import ends
from solvergen.specification.puiseux import end_of

MIXTURE = GaussianMixture(np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16]))


def solver(
    schedule: Any, integrand: str, expansion: str, scheme: str, limiter: Any = None
) -> sg.Solver:
    return sg.Solver(schedule, integrand, integrand, expansion, scheme, limiter)


@pytest.mark.parametrize(
    ("schedule", "scheme", "inside", "end"),
    [
        ("rectified_flow", "multistep:2", 2, 2),
        ("rectified_flow", "unipc:2", 3, 2),
        ("rectified_flow", "multistep:3", 3, 2),
        ("vp_alphabar", "multistep:2", 2, 1),
        ("vp_alphabar", "unipc:2", 3, 1),
        ("vp_alphabar", "multistep:4", 4, 1),
    ],
)
def test_bounds_on_weights_count_where_the_clock_is_not_smooth(
    schedule: str, scheme: str, inside: int, end: int
) -> None:
    """Even steps beside that end extrapolate by more than those of an even clock."""
    spec = solver(schedule, "data", "time", scheme, True)
    assert (spec.order, spec.endpoints.end.order) == (inside, end)
    free = spec.unlimited.endpoints.end.order
    assert (f"with --limiter none it is {free}" in str(spec.endpoints.end)) == (free > end)
    assert solver(schedule, "straight", "theta", scheme, True).endpoints.end.order == inside


@pytest.mark.parametrize(
    ("scheme", "inside", "rectified", "alphabar"),
    [
        ("multistep:2", 2, 2, 2),
        ("multistep:4", 4, 4, 4),
        ("unip:3", 3, 3, 3),
        ("singlestep:2", 2, 2, 1),
        ("singlestep:3", 3, 2, 1),
        ("dpm_23", 3, 2, 1),
        ("res_3s", 3, 2, 1),
        ("singlestep:4", 4, 2, 1),
        ("krogstad", 4, 2, 1),
        ("cox_matthews", 4, 2, 1),
        ("strehmel_weiner", 4, 2, 1),
        ("hochbruck_ostermann", 4, 2, 1),
        ("unipc:1:bh2", 2, 2, 1),
        ("unipc:2", 3, 2, 2),
        ("unipc:3", 4, 3, 3),
        ("pece:1", 2, 2, 1),
        ("pece:2", 3, 2, 2),
        ("trapezoidal:2", 2, 2, 1),
        ("adams_moulton:3:2", 3, 2, 2),
        ("adams_moulton:4:3", 4, 3, 3),
        ("adams_moulton:3:tol=1e-6", 3, 2, 2),
        ("multistep:3:exact:ramp", 2, 2, 1),
    ],
)
def test_data_where_sigma_vanishes(scheme: str, inside: int, rectified: int, alphabar: int) -> None:
    """M0 = O(1): the order is that of supports of starts of steps, one more where x0' vanishes."""
    for schedule, expected in (("rectified_flow", rectified), ("vp_alphabar", alphabar)):
        spec = solver(schedule, "data", "time", scheme)
        assert (spec.order, spec.endpoints.end.order) == (inside, expected)


@pytest.mark.parametrize("scheme", ["singlestep:4", "krogstad", "unipc:3", "pece:2", "multistep:3"])
@pytest.mark.parametrize("integrand", ["noise", "flow", "straight"])
def test_other_integrands_keep_the_order(integrand: str, scheme: str) -> None:
    """M0 = O(h), and the series at a regular end are those inside: what a step adds is O(h^p)."""
    spec = solver("trigonometric", integrand, "time", scheme)
    end = end_of(spec.schedule, spec.integrand, sg.t, "end", spec.order)
    assert end is not None
    assert end.is_regular
    found = ends.powers(spec.program, end, spec.order)
    assert spec.endpoints.end.order == spec.order
    assert found.near is None  # more than the order
    assert found.touching in (None, spec.order)


@pytest.mark.slow_but(5)
@pytest.mark.parametrize(
    ("choice", "role"),
    [
        (("rectified_flow", "data", "time", "singlestep:3"), "end"),
        (("rectified_flow", "data", "time", "multistep:3"), "end"),
        (("rectified_flow", "straight", "time", "unipc:2"), "start"),
        (("vp_alphabar", "data", "time", "unipc:1:bh2"), "start"),
        (("vp_alphabar", "data", "time", "krogstad"), "end"),
        (("vp_alphabar", "noise", "time", "multistep:3"), "end"),
        (("vp_alphabar", "straight", "half_log_snr", "dpm_23"), "start"),
        (("vp_alphabar", "flow", "half_log_snr", "multistep:2"), "end"),
        (("trigonometric", "data", "time", "pece:2"), "end"),
        (("trigonometric", "flow", "theta", "rk4"), "end"),
        (("custom", "data", "sigma", "adams_moulton:3:tol=1e-6"), "end"),
        (("custom", "data", "alpha", "multistep:3:exact:ramp"), "start"),
        (("fractional", "noise", "time", "multistep:3"), "end"),
        (("fractional", "data", "time", "multistep:4"), "end"),
        (("rectified_flow", "data", "time", "multistep:3", True), "end"),
        (("rectified_flow", "data", "time", "unipc:2:exact:ramp", True), "end"),
        (("vp_alphabar", "data", "time", "multistep:2", True), "end"),
        (("vp_alphabar", "data", "time", "unipc:2", True), "end"),
        (("vp_alphabar", "straight", "time", "multistep:3", True), "start"),
        (("fractional", "data", "time", "multistep:3", True), "end"),
    ],
    ids=lambda one: "-".join(map(str, one)) if isinstance(one, tuple) else one,
)
def test_computed_is_measured(choice: tuple[str, ...], role: str) -> None:
    """In 40 digits, a few steps from the end, on a mixture whose flow is known."""
    own = {
        "custom": sg.NoiseSchedule("1 - t**2", "t", name="custom"),
        "fractional": sg.NoiseSchedule("1 - t", "t**(3/2)", name="fractional"),
    }
    spec = solver(own.get(choice[0], choice[0]), *choice[1:])
    claimed = getattr(spec.endpoints, role).order
    found = min(beside_ends.power(spec, MIXTURE, role), spec.order)
    assert abs(found - claimed) <= 0.15, (claimed, found)


FRACTIONAL = {
    "three halves": ("1 - t**1.5", "sqrt(0.01 + t**3)", "end"),
    "five quarters": ("1 - t**1.25", "0.1 + t**1.25", "end"),
    "late": ("(1 - t)**1.5 + 0.01", "1.001 - (1 - t)**1.5", "start"),
}


@pytest.mark.parametrize(
    ("name", "integrand", "variable", "expected"),
    [
        ("three halves", "data", "time", 3.0),
        ("three halves", "flow", "time", 1.5),
        ("three halves", "noise", "half_log_snr", 4.0),
        ("five quarters", "noise", "time", 2.5),
        ("late", "data", "time", 3.0),
        ("late", "flow", "half_log_snr", 1.0),
    ],
)
def test_a_flat_end_of_a_fractional_power_has_its_own_order(
    name: str, integrand: str, variable: str, expected: float
) -> None:
    """Nothing vanishes there, and yet alpha, sigma and N may be no power series in gamma."""
    *formulas, role = FRACTIONAL[name]
    schedule = sg.NoiseSchedule(*formulas, name=name)
    spec = solver(schedule, integrand, variable, "unipc:3")
    assert spec.order == 4
    assert getattr(spec.endpoints, role).order == expected
    assert abs(min(beside_ends.power(spec, MIXTURE, role), 4) - expected) <= 0.15


@pytest.mark.parametrize(
    "choice",
    [
        ("rectified_flow", "data", "time", "krogstad"),
        ("vp_alphabar", "data", "time", "singlestep:3"),
        ("trigonometric", "straight", "sigma/(alpha+sigma)", "multistep:3"),
    ],
    ids="-".join,
)
def test_modules_reach_what_they_state(choice: tuple[str, ...]) -> None:
    """In float64, over the whole domain, no more and no less."""
    spec = solver(*choice)
    module = sg.compile(spec, "numpy")
    checks = check_order_to_the_ends(module, spec)
    assert all(one.passed for one in checks)
    assert abs(float(checks[-1].found) - module.ORDER_TO_THE_ENDS) <= 0.25


@pytest.mark.slow
def test_assert_order_tells_a_module_that_misses_its_ends() -> None:
    module = sg.compile(solver("rectified_flow", "data", "time", "singlestep:3"), "numpy")
    assert_order(module, 3)
    false = SimpleNamespace(**{**vars(module), "ORDER_TO_THE_ENDS": 3})
    with pytest.raises(AssertionError, match=r"order from 1 to 0 +>= 2\.8 +2\.\d+ +FAILED"):
        assert_order(false, 3)


def test_what_is_said() -> None:
    """Why an order is lost, and what keeps it; the logarithm."""
    lost = str(solver("rectified_flow", "data", "time", "singlestep:3").endpoints.end)
    assert "with order 2 (steps even in gamma): Phi tends to 0 and M0 is no O(h) there" in lost
    assert "inside the domain it is 3, and so it is with the integrand noise" in lost
    kept = solver("rectified_flow", "data", "time", "multistep:3").endpoints.end
    assert kept.logarithm
    assert "with order 3 up to a factor log(1/h) (steps even in gamma)." in str(kept)
    assert not solver("rectified_flow", "flow", "time", "multistep:3").endpoints.end.logarithm


def test_what_has_no_value_at_an_end_is_an_obstacle() -> None:
    """alpha' = -1/(2 alpha) for alpha = sqrt(1 - t), and the density of the clock at sigma = 0."""
    flow = solver("vp_alphabar", "flow", "time", "heun").endpoints
    assert flow.start.obstacle == "the prediction flow has no finite value there"
    assert flow.end.order == 2
    frozen = solver("rectified_flow", "data", "time", "unipc:2:bh1")
    assert "frozen moments" in frozen.endpoints.end.obstacle
    module = sg.compile(frozen, "numpy")
    with pytest.raises(ValueError, match="no finite coefficients"):
        module.coefficients([1.0, 0.6, 0.3, 0.0])


@pytest.mark.parametrize(
    ("schedule", "variable", "root"),
    [
        (("sqrt(1-t)", "sqrt(t)"), "time", 2),
        (("sqrt(1-t)", "sqrt(t)"), "theta", 1),
        (("1-t", "t**(3/2)"), "time", 2),
        (("1-t", "t**(13/10)"), "time", 10),
        (("cos(pi*t/2)", "sin(pi*t/2)"), "sigma", 1),
    ],
)
def test_roots_at_an_end(schedule: tuple[str, str], variable: str, root: int) -> None:
    """sigma(w) of the series is sigma at the time where gamma is w^root from its end."""
    spec = solver(sg.NoiseSchedule(*schedule), "data", variable, "multistep:2")
    gamma = spec.expansion.variable
    end = end_of(spec.schedule, spec.integrand, gamma, "end", 3)
    assert end is not None
    assert end.root == root
    module = sg.compile(spec, "numpy")
    first, other = gamma_at(module, spec, np.array([0.0, 1e-3]))
    w = abs(other - first) ** (1 / root)
    found = sum(
        float(c) * w ** (end.sigma.lead + i) for i, c in enumerate(end.sigma.series.coefficients)
    )
    assert found == pytest.approx(float(module.sigma(1e-3)), rel=1e-9)


def test_an_end_without_a_series() -> None:
    """A logarithm in sigma: its leading powers decide."""
    schedule = sg.NoiseSchedule("1 - t", "t*(1 - log(t))", name="logarithmic")
    spec = solver(schedule, "data", "time", "multistep:2")
    assert end_of(schedule, spec.integrand, sg.t, "end", 2) is None
    assert isinstance(spec.endpoints.end.order, Fraction)


@pytest.mark.parametrize("schedule", ["vp_cosine", "vp_linear"])
@pytest.mark.parametrize("scheme", ["multistep:10", "unipc:9"])
def test_rounding_is_no_error_of_high_orders_at_an_end(schedule: str, scheme: str) -> None:
    """The flow is smooth at sigma = 0, so nothing is lost there: in 60 digits roundings of the
    series, 10^5 times as large with every power, were called an order of 6."""
    found = sg.Solver(schedule, "noise", "flow", "time", scheme, False)
    assert found.order_report.order == 10
    assert found.endpoints.end.order == 10
