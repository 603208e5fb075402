"""Rules, tableaux, exponential and predictor-corrector schemes: orders computed and measured."""

from fractions import Fraction

import numpy as np
import pytest
from readers import TARGETS, sample

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.errors import SchemeError
from solvergen.measurement.accuracy import coefficient_error
from solvergen.measurement.verification import measured_order
from solvergen.methods.rule import CLASSICAL, Moments, Rule
from solvergen.methods.runge_kutta import TABLEAUX
from solvergen.methods.tableaux import Tableau
from solvergen.program import lowering, order
from solvergen.program.series import RATIONALS
from solvergen.specification import presets, schemes
from solvergen.targets import rendering

TABLEAU_ORDERS = {
    "euler": (1, None),
    "midpoint": (2, None),
    "heun": (2, 1),
    "ralston": (2, None),
    "kutta3": (3, None),
    "heun3": (3, None),
    "ssprk3": (3, None),
    "bogacki_shampine": (3, 2),
    "rk4": (4, None),
    "three_eighths": (4, None),
    "fehlberg5": (5, 4),
    "cash_karp": (5, 4),
    "dormand_prince": (5, 4),
    "butcher6": (6, None),
    "fehlberg8": (8, 7),
}


def computed(scheme: sg.Scheme, **clocks: bool) -> int:
    return order.report(lowering.lower(scheme), **clocks).order


@pytest.mark.parametrize("name", TABLEAUX)
def test_tableau_orders(name: str) -> None:
    """The classical order on the clock; second order at best elsewhere."""
    main, embedded = TABLEAU_ORDERS[name]
    tableau = TABLEAUX[name]
    assert computed(tableau.scheme(), same_clock=True) == main
    assert computed(tableau.scheme()) == min(main, 2)
    if embedded is None:
        with pytest.raises(SchemeError, match="no embedded"):
            tableau.embedded_scheme()
    else:
        assert computed(tableau.embedded_scheme(), same_clock=True) == embedded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((f"multistep:{k}", k) for k in (6, 7, 8)),
        *((f"singlestep:{k}", k) for k in (5, 6, 7)),
        *((f"adams_moulton:{k}", k) for k in range(1, 9)),
        *((f"pece:{k}", k + 1) for k in range(1, 8)),
        *((f"unip:{k}:exact", k) for k in range(1, 6)),
        *((f"unipc:{k}:{b}", k + 1) for k in range(1, 6) for b in ("exact", "bh1", "bh2")),
        ("unipc:3:bh2:ramp", 3),
        ("unip:3:bh1:ramp", 2),
        ("general_linear:3:1", 3),
        ("general_linear:4:2", 4),
        ("general_linear:6:3", 6),
        ("res_3s", 3),
        ("cox_matthews", 4),
        ("krogstad", 4),
        ("strehmel_weiner", 4),
        ("hochbruck_ostermann", 4),
        ("1:{0} | 1:{0,-1}~classical", 2),
        ("1:{0} | 1:{0,-1}~classical | 1:{0,-1,-2}~classical", 2),
        ("1:{0} | 1:{0,-1} | 1:{0,-1,-2}~scaled(1,1,1/2)", 2),
    ],
)
def test_orders_in_generic_clocks(text: str, expected: int) -> None:
    scheme = schemes.get(text)
    assert computed(scheme) == expected
    assert schemes.get(schemes.to_text(scheme)).phases == scheme.phases


@pytest.mark.parametrize("text", ["multistep:3", "unipc:2:bh1", "krogstad", "pece:2"])
def test_prime_field_agrees_with_rationals(text: str) -> None:
    lowered = lowering.lower(schemes.get(text))
    assert order.report(lowered) == order.report(lowered, field=RATIONALS)


def test_weights_for_equal_steps_lose_their_order_on_others() -> None:
    scheme = presets.get("ipndm_as_published", "vp_linear").scheme
    lowered = lowering.lower(scheme)
    assert order.report(lowered, same_clock=True).main == 1
    assert order.report(lowered, same_clock=True, ratios=order.EVEN).main == 4


@pytest.mark.parametrize("text", ["krogstad", "unipc:3:bh1", "hochbruck_ostermann", "fehlberg8"])
def test_structure_round_trip(text: str) -> None:
    """What a SPEC carries when the name is unknown is the whole scheme."""
    scheme = schemes.get(text)
    anonymous = sg.Scheme("anonymous", scheme.main, scheme.startup)
    assert schemes.get(schemes.to_text(anonymous)).phases == scheme.phases


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:{0: 1/2}", "residual -1/2"),
        ("1/2:{0}; 1:{0: 1-2*mu1, s1: mu1}", "factor of mu1: residual -1"),
        ("1:{0,0: 1}", "expected 'position"),
        ("1/2:{0}; 1:{0: 1, 0: 0}", "repeated nodes"),
        ("1:{0} | 1:{0,-1}~scaled(2,1)", "residual 1"),
        ("1/2:{0}; 1<s2:{0,s1}", "not computed yet"),
        ("1/2:{0}; 1/2<s1:{0,s1}; 1:{s2}", "expected another position"),
        ("1:{0} | 1/2<-1:{0,-1}; 1:{0}", "landing at theta = 0"),
        ("unipc:2:bh3", "expected one of exact, bh1, bh2"),
        ("general_linear:3:3", "1 to 2 earlier steps"),
        ("rk4:embedded", "no embedded"),
        ("krogstad:2", "unknown scheme"),
        ("adams_moulton:3:0", "iterations"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(SchemeError, match=message):
        lowering.lower(schemes.get(text))


def test_wrong_tableaux_are_refused() -> None:
    with pytest.raises(SchemeError, match=r"row 2 sums to 1/3, expected 1/2 \(residual -1/6\)"):
        Tableau.read("wrong", "0 |\n 1/2 | 1/3\n | 0 1", "")
    with pytest.raises(SchemeError, match=r"b sums to 2, expected 1 \(residual 1\)"):
        Tableau.read("wrong", "0 |\n 1/2 | 1/2\n | 1 1", "")
    with pytest.raises(SchemeError, match="expected rows of 1, 2"):
        Tableau.read("wrong", "0 |\n 1/2 | 1/2 1/2\n | 0 1", "")


def test_rule_weights_satisfy_their_moments() -> None:
    """sum_j r_j^k ell_j is the moment that the rule puts in the place of mu_k."""
    places = [Fraction(0), Fraction(-5, 7), Fraction(-9, 4)]
    mu = [Fraction(1), Fraction(2, 5), Fraction(3, 11)]
    density = Fraction(13, 8)
    expected = {
        Rule(): mu,
        CLASSICAL: [1, Fraction(1, 2), Fraction(1, 3)],
        Rule(Moments.FROZEN): [1, density / 2, density / 3],
        Rule(scale=(Fraction(1), Fraction(1), Fraction(1, 2))): [1, mu[1], mu[2] / 2],
    }
    for rule, moments in expected.items():
        ell = rule.weights(places, lambda k, _: mu[k], lambda: density)
        found = [sum(r**k * w for r, w in zip(places, ell, strict=True)) for k in range(3)]
        assert found == moments


MEASURED = [
    ("vp_linear", "data", "half_log_snr", text)
    for text in (
        "unipc:1:bh1", "unipc:2:bh1", "unipc:2:bh2", "unipc:3:exact", "unip:2:bh1", "pece:3",
        "adams_moulton:3", "general_linear:4:2", "res_3s", "cox_matthews", "krogstad",
        "strehmel_weiner", "hochbruck_ostermann",
    )
] + [
    ("rectified_flow", "noise", "clock", text)
    for text in ("heun", "ralston", "kutta3", "heun3", "ssprk3", "bogacki_shampine", "rk4")
] + [
    ("rectified_flow", "flow", "time", text)
    for text in ("adams_moulton:2", "adams_moulton:4", "three_eighths")
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("schedule", "integrand", "expansion", "scheme"), MEASURED)
def test_measured_order_and_coefficients(
    schedule: str, integrand: str, expansion: str, scheme: str
) -> None:
    spec = sg.Solver(schedule, sg.VELOCITY, integrand, expansion, scheme)
    module = load_text(rendering.render(spec, "numpy", ""), "measured")
    assert abs(measured_order(module, spec) - spec.order) <= 0.15
    grid = module.timesteps(7, "time", start=0.85, end=0.1)
    chosen = [*range(spec.program.history + 1), 6]
    assert coefficient_error(spec, module.coefficients(grid), grid.tolist(), chosen) < 1e-12


@pytest.mark.slow_but(1)
@pytest.mark.parametrize("text", ["unipc:3:bh2:ramp", "cox_matthews", "fehlberg8"])
def test_targets_agree(text: str) -> None:
    """They take the same steps."""
    spec = sg.Solver("rectified_flow", sg.FLOW, sg.DATA, "half_log_snr", text)
    grid = np.linspace(0.9, 0.1, 7)
    x = np.random.default_rng(0).standard_normal((3, 5))

    def model(y, time):
        return 0.3 * y**2 - float(time)

    exact = sample("numpy", spec, grid, model, x)
    for target in TARGETS:
        assert np.abs(sample(target, spec, grid, model, x) - exact).max() < 1e-13
