"""Every way in which two formulas fail to be a noise schedule is refused with its reason."""

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Piecewise, Symbol, oo, sqrt

import solvergen as sg
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.errors import ScheduleError
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t

u, k = Symbol("u"), Symbol("k")


def of(**arguments: object) -> dict[str, object]:
    """Arguments of NoiseSchedule, by name."""
    return arguments


BAD = {
    "alpha negative inside": (of(alpha=1 - 2 * t, sigma=t), r"alpha = .* at t = 0\.5"),
    "alpha zero inside": (of(alpha=(1 - 2 * t) ** 2, sigma=t), "alpha.*expected alpha > 0"),
    "sigma negative": (of(alpha=1 - t, sigma=-t), "sigma = .*expected sigma > 0"),
    "sigma zero": (of(alpha=1 - t, sigma=0), "sigma = 0 .*expected sigma > 0"),
    "sigma crosses zero": (of(alpha=1 - t, sigma=t - 0.5), "sigma"),
    "noise falls": (of(alpha=t, sigma=1 - t), "strictly decreases.*reverse time"),
    "noise turns": (of(alpha=1, sigma=t * (1.5 - t)), "strictly decreases"),
    "noise stands still": (of(alpha=2 * t, sigma=t), "strictly decreases"),
    "both constant": (of(alpha=1, sigma=0.5), "both constant"),
    "jump": (of(alpha=1, sigma=Piecewise((t, t < 0.5), (t + 1, True))), "jump at t = 0.5"),
    "kink": (of(alpha=1, sigma=Piecewise((t, t < 0.3), (2 * t - 0.3, True))), "kink at t = 0.3"),
    "kink by Abs": (of(alpha=1, sigma=t + sympy.Abs(t - 0.4) / 2), "kink at t = 0.4"),
    "complex alpha": (of(alpha=sqrt(0.47 - t), sigma=t), "alpha.*expected a finite real"),
    "imaginary": (of(alpha=1, sigma=sympy.I * t), "sigma.*written through I"),
    "pole inside": (of(alpha=1, sigma=1 / (0.7 - t) ** 2 + t), "strictly decreases|finite real"),
    "log of a negative": (of(alpha=1, sigma=sympy.log(t)), "sigma"),
    "two time symbols": (of(alpha=1 - t, sigma=u), "symbols t, u; expected one time symbol"),
    "parameter without value": (of(alpha=1 - t, sigma=k * t), "symbols k, t; expected one"),
    "parameter without value, text": (of(alpha="1-t", sigma="k*t"), "unknown name 'k'"),
    "domain reversed": (of(alpha=1 - t, sigma=t, domain=(1, 0)), "expected t_min < t_max"),
    "domain empty": (of(alpha=1 - t, sigma=t, domain=(1, 1)), "expected t_min < t_max"),
    "domain too wide": (of(alpha=1 - t, sigma=t, domain=(0, 2)), "alpha = .*at t = 1"),
    "negative time": (of(alpha=1 - t, sigma=2 + t, domain=(-1, 0)), "expected times >= 0"),
    "infinite domain": (of(alpha=1, sigma=t, domain=(0, oo)), "expected a finite real number"),
    "infinite domain, float": (of(alpha=1, sigma=t, domain=(0, np.inf)), "finite real number"),
    "domain of one": (of(alpha=1, sigma=t, domain=(1,)), "two times"),
    "domain not a pair": (of(alpha=1, sigma=t, domain=1), "two times"),
    "domain of symbols": (of(alpha=1, sigma=t, domain=(0, k)), "finite real number"),
    "parameter nan": (of(alpha=1, sigma=k * t, parameters={"k": np.nan}), "k: got nan"),
    "parameter infinite": (of(alpha=1, sigma=k * t, parameters={"k": np.inf}), "k: got inf"),
    "parameter text": (of(alpha=1, sigma=k * t, parameters={"k": "big"}), "k: got 'big'"),
    "parameter twice": (of(alpha=1, sigma=k * t, parameters=[("k", 1), (k, 2)]), "twice"),
    "parameter named t": (of(alpha=1, sigma=t, parameters={"t": 1}), "other than t, pi"),
    "parameters not pairs": (of(alpha=1, sigma=t, parameters=[1]), r"pair \(name, number\)"),
    "parameters text": (of(alpha=1, sigma=t, parameters="k=1"), "mapping"),
    "parameter makes it fail": (of(alpha=1, sigma=k * t, parameters={"k": -1}), "sigma > 0"),
    "not an expression": (of(alpha=[1], sigma=t), "alpha: got"),
    "a relation": (of(alpha=t < 1, sigma=t), "alpha: got.*formula"),
    "a truth value": (of(alpha=True, sigma=t), "alpha: got True"),
    "nan": (of(alpha=float("nan"), sigma=t), "alpha: got nan"),
    "none": (of(alpha=None, sigma=t), "alpha: got None"),
    "text that is code": (of(alpha="__import__('os')", sigma=t), "call of '__import__'"),
    "text with an attribute": (of(alpha="t.real", sigma=t), "got 't.real'"),
    "text cut off": (of(alpha="1 -", sigma=t), "cannot read"),
    "text divided by zero": (of(alpha="1/0", sigma=t), "divided by zero"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_schedule_is_refused_with_its_reason(case: str) -> None:
    arguments, reason = BAD[case]
    with pytest.raises(ScheduleError, match=reason):
        NoiseSchedule(**arguments)


FLAT = {
    "both ends": ("sqrt((1 - 2e-5)*(1 - t**2)**2 + 1e-5)", "sqrt(1 - alpha**2)"),
    "powers": ("1 - t**4", "0.01 + t**4"),
    "high powers": ("1 - t**20", "0.1 + t**20"),
    "cosines": ("(1 + cos(pi*t))/2", "0.001 + sin(pi*t/2)**2"),
    "essentially": ("1 - t/2*exp(-1/t)", "0.1 + exp(-1/t)"),
    "at the other end": ("1", "1.1 - (1 - t)**12"),
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("digits", [5, 15, 200])
def test_flat_ends_are_accepted(name: str, digits: int) -> None:
    """In whatever precision the caller works, which stays what it is."""
    with mpmath.workdps(digits):
        NoiseSchedule(*FLAT[name])
        assert mpmath.mp.dps == digits


def test_flat_inside_is_refused() -> None:
    level = Piecewise((t, t < 0.4), (sympy.Rational(2, 5), t < 0.6), (t - 0.2, True))
    for sigma in (sympy.Integer(1) + 0 * level, level):
        with pytest.raises(ScheduleError, match=r"both constant|kink|strictly decreases"):
            NoiseSchedule(1, sigma)


@pytest.mark.parametrize("integrand", [sg.DATA, sg.NOISE, sg.VELOCITY])
@pytest.mark.parametrize(
    "schedule",
    [
        ("exp(-2000*t)", "sqrt(1 - exp(-4000*t))"),
        ("1", "1e-200*t"),
        ("1e-150*(1 - t)", "t"),
        sg.schedules.vp_linear(beta_max=1e6),
    ],
)
def test_small_is_not_zero(schedule, integrand) -> None:
    """An integrand is refused where it is proportional to x, not where it underflows."""
    given = NoiseSchedule(*schedule) if isinstance(schedule, tuple) else schedule
    assert SemilinearODE.derive(given, integrand).factor is not None


def test_smooth_cases_are_accepted() -> None:
    sigma = Piecewise((t, t < sympy.Rational(1, 2)), (sympy.Rational(1, 4) + t**2, True))
    assert NoiseSchedule(1, sigma).sigma_prime.subs(t, 1) == 2
