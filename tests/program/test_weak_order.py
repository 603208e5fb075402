"""Weak orders from moments as power series."""

from dataclasses import replace
from fractions import Fraction

import pytest

import solvergen as sg
from solvergen.program.instructions import Draw
from solvergen.program.order import UNEVEN
from solvergen.program.program import PhaseProgram
from solvergen.program.series import MODULAR, Series
from solvergen.program.weak_order import Chain, NoisyProblem, NoisyScalars, weak_report

ORDERS = {
    "multistep:1": 1,
    "multistep:2:ramp": 2,
    "multistep:3:ramp": 2,
    "multistep:4:ramp": 2,
    "1:{0} | 1:{0,-1}~classical": 2,
    "singlestep:2": 2,
    "singlestep:3": 2,
    "res_3s": 2,
    "heun": 2,
    "unipc:1:exact:ramp": 2,
    "unipc:2:exact:ramp": 2,
    "pece:2": 2,
    "adams_moulton:2:1": 2,
}


def solver(scheme: str, **options: object) -> sg.Solver:
    return sg.Solver("vp_linear", integrand="data", scheme=scheme, stochasticity=1, **options)


@pytest.mark.parametrize("scheme", ORDERS)
def test_weak_order(scheme: str) -> None:
    """min(2, deterministic order): one noise a step has no more."""
    report = solver(scheme).weak_report
    assert report is not None
    assert report.order == ORDERS[scheme]


@pytest.mark.parametrize("clocks", [(True, False), (False, True), (True, True)])
def test_special_clocks_do_not_lose_it(clocks: tuple[bool, bool]) -> None:
    assert weak_report(solver("multistep:2:ramp").program, *clocks).order == 2


def test_bounds_on_even_steps_count() -> None:
    """c = 1 keeps the weights of even steps: still order 2, as without bounds."""
    for limiter in (None, 1, 1.1):
        report = solver("multistep:2:ramp", limiter=limiter).weak_report
        assert report is not None
        assert report.order == 2


class Independent(NoisyScalars):
    """All landings of a step draw noise of their own, from its start."""

    def carried(self, draw: Draw) -> Series:
        return super().carried(draw) * 0


class IndependentChain(Chain):
    def scalars(self, phase: PhaseProgram, n: int) -> NoisyScalars:
        return Independent(self.problem, phase, self.grid, n)

    def piece(self, scalars: NoisyScalars, draw: Draw) -> tuple[Fraction, Fraction]:
        return scalars.time(draw.stage), scalars.time(0)


@pytest.mark.parametrize("scheme", ["singlestep:2", "singlestep:3", "midpoint"])
def test_independent_noises_of_stages_have_order_1(scheme: str) -> None:
    program = solver(scheme).program
    problem = NoisyProblem.drawn(4, False, False, MODULAR)
    assert Chain(program, problem, UNEVEN).report().order == 2
    assert IndependentChain(program, problem, UNEVEN).report().order == 1


def test_wrong_weights_are_seen() -> None:
    """Weights that do not sum to 1 have no order; with half of the noise the moments are off at
    once."""
    program = solver("multistep:2:ramp", limiter=None).program
    problem = NoisyProblem.drawn(4, False, False, MODULAR)

    class Louder(NoisyScalars):
        def spread(self, draw: Draw) -> Series:
            return super().spread(draw) * 2

    class LouderChain(Chain):
        def scalars(self, phase: PhaseProgram, n: int) -> NoisyScalars:
            return Louder(self.problem, phase, self.grid, n)

    assert LouderChain(program, problem, UNEVEN).report().main == 0


def test_checker_refuses_noise_that_skips_or_repeats() -> None:
    phase = solver("singlestep:2").program.main
    first, second = phase.draws
    for wrong in (replace(second, since=0), None):
        instructions = tuple(
            one if one != second else wrong for one in phase.instructions if one != second or wrong
        )
        broken = PhaseProgram("broken", tuple(one for one in instructions if one is not None))
        program = solver("singlestep:2").program
        with pytest.raises(sg.SchemeError, match="one path"):
            replace(program, phases=(broken,))
    assert first.since == 0
