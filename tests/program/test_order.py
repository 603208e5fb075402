"""The exact order: computed from programs, for good schemes and bad ones."""

import random
from fractions import Fraction

import pytest

import solvergen as sg
from solvergen.methods.rule import interpolated
from solvergen.methods.scheme import CURRENT, Phase, Scheme, Stage, past, stage
from solvergen.program import lowering, order
from solvergen.program.series import Series
from solvergen.specification import schemes


def computed(scheme: Scheme, **clocks: bool) -> order.OrderReport:
    return order.report(lowering.lower(scheme), **clocks)


@pytest.mark.parametrize("k", range(1, 6))
def test_multistep(k: int) -> None:
    """Local error h^(k+1) in a main step; the start-up leaves h^k: order k."""
    found = computed(schemes.multistep(k))
    assert (found.main, found.order) == (k, k)
    assert found.startup is None or found.startup == k


@pytest.mark.parametrize("k", range(1, 6))
def test_singlestep(k: int) -> None:
    assert computed(schemes.singlestep(k)).order == k


@pytest.mark.parametrize("k", range(3, 6))
def test_ramp_leaves_order_two(k: int) -> None:
    found = computed(schemes.multistep(k, startup="ramp"))
    assert (found.main, found.startup, found.order) == (k, 2, 2)


@pytest.mark.parametrize(
    ("nodes", "evaluations"),
    [(("1/3", "2/3"), 3), (("1/2", "2/3"), 3), (("1/4", "3/4"), 4), ((0.2, 0.9), 4)],
)
def test_free_nodes(nodes: tuple, evaluations: int) -> None:
    """Third order at any nodes; three evaluations are enough at r_2 = 2/3."""
    found = schemes.singlestep(3, nodes)
    assert computed(found).order == 3
    assert found.main.evaluations == evaluations


def test_third_order_condition_of_two_nodes() -> None:
    """The support {0, r_2} alone has order 3 only at r_2 = 2/3."""
    third = Stage(Fraction(1, 3), (CURRENT,))
    for place, expected in ((Fraction(2, 3), 3), (Fraction(3, 4), 2)):
        stages = (
            third,
            Stage(place, (CURRENT, stage(1))),
            Stage(Fraction(1), (CURRENT, stage(2))),
        )
        assert computed(Scheme("two nodes", Phase("main", stages))).order == expected


def test_heun_and_midpoint_are_second_order() -> None:
    heun = schemes.get("1:{0}; 1:{0,s1}")
    midpoint = schemes.get("1/2:{0}; 1:{s1}")
    assert computed(heun).order == computed(midpoint).order == 2


def test_clock_raises_no_order_wrongly() -> None:
    """One node at 2/3 is no midpoint rule in any clock."""
    shifted = schemes.get("2/3:{0}; 1:{s1}")
    assert computed(shifted).order == 1
    assert computed(shifted, same_clock=True, no_linear_part=True).order == 1


def test_multistep_that_starts_with_euler_only() -> None:
    """What most samplers do at order 3: two first-order steps."""
    euler = (Stage(Fraction(1), (CURRENT,)),)
    main = Phase("main", (Stage(Fraction(1), (CURRENT, past(1), past(2))),))
    found = computed(Scheme("euler start", main, (Phase("a", euler), Phase("b", euler))))
    assert (found.main, found.startup, found.order) == (3, 2, 2)


def test_solver_states_the_computed_order() -> None:
    spec = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:3:ramp")
    assert spec.order == spec.order_report.order == 2


def test_series_arithmetic() -> None:
    """exp(h) exp(-h) = 1 and 1/(1-h) = 1 + h + .., exactly."""
    length = 9
    factorials = [Fraction(1)]
    for n in range(1, length):
        factorials.append(factorials[-1] / n)
    grow = Series.of(factorials, length)
    decay = Series.of([c * (-1) ** n for n, c in enumerate(factorials)], length)
    assert grow * decay == Series.of([1], length)
    assert Series.of([1], length) / Series.of([1, -1], length) == Series.of([1] * length, length)
    assert (grow - grow).valuation == length
    assert (grow - 1).valuation == 1


@pytest.mark.parametrize("count", [1, 2, 5, 10])
def test_interpolation_has_the_moments_that_it_is_given(count: int) -> None:
    """Exactly, of any numbers; and the weights of moments of a place are all there."""
    rng = random.Random(count)
    places = [Fraction(one, 7) for one in rng.sample(range(-40, 40), count)]
    moments = [Fraction(rng.randrange(-99, 99), rng.randrange(1, 99)) for _ in places]
    found = interpolated(places, moments)
    for k, moment in enumerate(moments):
        assert sum(ell * place**k for ell, place in zip(found, places, strict=True)) == moment
    alone = interpolated(places, [places[-1] ** k for k in range(count)])
    assert alone == [0] * (count - 1) + [1]
