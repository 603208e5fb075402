"""Published solvers by name: an integrand, an expansion variable and a scheme each.

A preset is the method that its paper derives, with a start-up that keeps the order. Where the
published code does something else, ``<name>_as_published`` reproduces its numbers, and states the
order that it then has: ``dpm_solver_pp_3m_as_published`` halves the second divided difference
(the coefficient of h^2 N''/2 is multiplied with that of h^2 N''), the others start with order 1.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from solvergen import schemes
from solvergen.errors import SolvergenError
from solvergen.parameterization import Parameterization
from solvergen.schedule import NoiseSchedule
from solvergen.solver import Solver

DPM = "Lu et al. 2022 (arXiv:2206.00927)"
DPM_PP = "Lu et al. 2022b (arXiv:2211.01095)"
DEIS = "Zhang and Chen 2023 (arXiv:2204.13902)"
UNIPC = "Zhao et al. 2023 (arXiv:2302.04867)"
EDM = "Karras et al. 2022 (arXiv:2206.00364)"
FLOW = "Lipman et al. 2023 (arXiv:2210.02747); Liu et al. 2023 (arXiv:2209.03003)"
RES = "Zhang et al. 2023 (arXiv:2308.02157)"
HO = "Hochbruck and Ostermann 2005 (SIAM J. Numer. Anal. 43, 1069)"
LAMBDA, RHO = "half_log_snr", "sigma/alpha"
AB_RAMP = (
    "1:{0} | 1:{0: 3/2, -1: -1/2} | 1:{0: 23/12, -1: -16/12, -2: 5/12} | "
    "1:{0: 55/24, -1: -59/24, -2: 37/24, -3: -9/24}"
)


@dataclass(frozen=True)
class Preset:
    """A published solver without its schedule.

    Attributes:
        name: as the user types it.
        integrand: what is expanded.
        expansion: the variable that it is expanded in.
        scheme: the text of the scheme.
        source: paper and equations.
    """

    name: str
    integrand: str
    expansion: str
    scheme: str
    source: str

    def __str__(self) -> str:
        return f"{self.name}: {self.integrand}, {self.expansion}, {self.scheme}; {self.source}"


_FIXED = (
    ("ddim", "noise", LAMBDA, "multistep:1", "Song et al. 2021 (arXiv:2010.02502), eq. 12"),
    ("dpm_solver_1", "noise", LAMBDA, "multistep:1", f"{DPM}, eq. 3.7"),
    ("dpm_solver_2", "noise", LAMBDA, "1/2:{0}; 1:{s1}", f"{DPM}, Algorithm 1"),
    ("dpm_solver_2_exact", "noise", LAMBDA, "singlestep:2", f"{DPM}, eq. 3.6 at n = 2"),
    ("dpm_solver_3", "noise", LAMBDA, "singlestep:3", f"{DPM}, Algorithm 2"),
    ("dpm_solver_2m", "noise", LAMBDA, "multistep:2", f"{DPM}, eq. 3.6; {DPM_PP}, section 4"),
    ("dpm_solver_3m", "noise", LAMBDA, "multistep:3", f"{DPM}, eq. 3.6; {DPM_PP}, section 4"),
    ("dpm_solver_pp_2s", "data", LAMBDA, "singlestep:2", f"{DPM_PP}, eq. 9 at k = 2"),
    ("dpm_solver_pp_2s_midpoint", "data", LAMBDA, "1/2:{0}; 1:{s1}", f"{DPM_PP}, Algorithm 1"),
    ("dpm_solver_pp_3s", "data", LAMBDA, "singlestep:3", f"{DPM_PP}, eq. 9 at k = 3"),
    ("dpm_solver_pp_2m", "data", LAMBDA, "multistep:2", f"{DPM_PP}, eq. 9 at k = 2"),
    (
        "dpm_solver_pp_2m_midpoint",
        "data",
        LAMBDA,
        "1:{0} | 1:{0,-1}~classical",
        f"{DPM_PP}, Algorithm 2",
    ),
    ("dpm_solver_pp_3m", "data", LAMBDA, "multistep:3", f"{DPM_PP}, eq. 9 at k = 3"),
    (
        "dpm_solver_pp_3m_as_published",
        "data",
        LAMBDA,
        "1:{0} | 1:{0,-1}~classical | 1:{0,-1,-2}~scaled(1,1,1/2)",
        f"{DPM_PP}, the authors' code: multistep third update",
    ),
    ("deis_rho_heun", "noise", RHO, "heun", f"{DEIS}, section 4: rhoRK"),
    ("deis_rho_kutta3", "noise", RHO, "kutta3", f"{DEIS}, section 4: rhoRK"),
    ("deis_rho_rk4", "noise", RHO, "rk4", f"{DEIS}, section 4: rhoRK"),
    ("edm_euler", "noise", RHO, "euler", f"{EDM}, Algorithm 1 without its correction"),
    ("edm_heun", "noise", RHO, "heun", f"{EDM}, Algorithm 1"),
    ("flow_euler", "flow", "time", "euler", FLOW),
    ("flow_midpoint", "flow", "time", "midpoint", FLOW),
    ("flow_heun", "flow", "time", "heun", FLOW),
    ("lms", "noise", RHO, "multistep:4", "Adams and Bashforth 1883, in sigma/alpha (k-diffusion)"),
    ("lms_as_published", "noise", RHO, "multistep:4:ramp", "k-diffusion, sample_lms"),
    ("ipndm", "noise", RHO, "multistep:4", f"{DEIS}, appendix H.2, on uneven grids"),
    ("ipndm_as_published", "noise", RHO, AB_RAMP, f"{DEIS}, appendix H.2, for equal steps"),
    ("res_2s", "data", LAMBDA, "singlestep:2", f"{RES}, section 3; {HO}, eq. 5.3"),
    ("res_3s", "data", LAMBDA, "res_3s", f"{RES}, section 3; {HO}, eq. 5.9"),
    ("res_2m", "data", LAMBDA, "multistep:2", f"{RES}, section 3, multistep"),
    ("res_3m", "data", LAMBDA, "multistep:3", f"{RES}, section 3, multistep"),
    ("cox_matthews", "data", LAMBDA, "cox_matthews", "Cox and Matthews 2002, eqs. 26-29"),
    ("krogstad", "data", LAMBDA, "krogstad", f"Krogstad 2005, eq. 51; {HO}, eq. 5.17"),
    ("strehmel_weiner", "data", LAMBDA, "strehmel_weiner", f"{HO}, eq. 5.18"),
    ("hochbruck_ostermann", "data", LAMBDA, "hochbruck_ostermann", f"{HO}, eq. 5.19"),
)
_NAMED = {fixed[0]: Preset(*fixed) for fixed in _FIXED}


def _deis_tab(order: str, published: bool) -> tuple[str, str, str, str]:
    return "noise", "time", f"multistep:{order}{_ramp(published)}", f"{DEIS}, eq. 15: tAB"


def _deis_rho(order: str, published: bool) -> tuple[str, str, str, str]:
    return "noise", RHO, f"multistep:{order}{_ramp(published)}", f"{DEIS}, section 4: rhoAB"


def _adams_bashforth(order: str, published: bool) -> tuple[str, str, str, str]:
    scheme = f"multistep:{order}{_ramp(published)}"
    return "flow", "time", scheme, "Hairer, Norsett and Wanner 1993, eq. III.1.5"


def _adams_moulton(order: str, published: bool) -> tuple[str, str, str, str]:
    return "flow", "time", f"adams_moulton:{order}", "Hairer, Norsett and Wanner 1993, eq. III.1.9"


def _uni(family: str) -> Callable[..., tuple[str, str, str, str]]:
    def choices(
        order: str, published: bool, variant: str | None = None
    ) -> tuple[str, str, str, str]:
        scheme = f"{family}:{order}:{variant or 'exact'}{_ramp(published)}"
        return "data", LAMBDA, scheme, f"{UNIPC}, Algorithm {1 if family == 'unipc' else 2}"

    return choices


def _ramp(published: bool) -> str:
    return ":ramp" if published else ""


_FAMILIES: tuple[tuple[str, str, Callable[..., tuple[str, str, str, str]]], ...] = (
    ("deis_tab_K", r"deis_tab_([1-9]\d?)", _deis_tab),
    ("deis_rho_ab_K", r"deis_rho_ab_([1-9]\d?)", _deis_rho),
    ("ab_K", r"ab_([1-9]\d?)", _adams_bashforth),
    ("am_K", r"am_([1-9]\d?)", _adams_moulton),
    ("unip_K[_bh1|_bh2]", r"unip_([1-9]\d?)(?:_(bh[12]))?", _uni("unip")),
    ("unipc_K[_bh1|_bh2]", r"unipc_([1-9]\d?)(?:_(bh[12]))?", _uni("unipc")),
)


def find(name: str) -> Preset:
    """The preset of a name.

    Raises:
        SolvergenError: there is none.
    """
    if name in _NAMED:
        return _NAMED[name]
    stem = name.removesuffix("_as_published")
    published = stem != name
    for form, pattern, choices in _FAMILIES:
        found = re.fullmatch(pattern, stem)
        if found and not (published and form == "am_K"):
            order, *variant = found.groups()
            return Preset(name, *choices(order, published, *variant))
    raise SolvergenError(f"unknown preset {name!r}; expected one of {', '.join(names())}.")


def get(
    name: str, schedule: NoiseSchedule | str, prediction: Parameterization | str = "noise"
) -> Solver:
    """A published solver for a schedule.

    Args:
        name: one of ``names()``, with a number for K.
        schedule: a NoiseSchedule, or the name of one.
        prediction: what the network returns.

    Raises:
        SolvergenError: there is no such preset, or it does not exist for the schedule.
    """
    preset = find(name)
    scheme = replace(schemes.get(preset.scheme), source=preset.source)
    return Solver(schedule, prediction, preset.integrand, preset.expansion, scheme)


def fixed_names() -> tuple[str, ...]:
    """The presets without a number."""
    return tuple(_NAMED)


def names() -> tuple[str, ...]:
    """What ``get`` takes; families have an order K, and most also an ``_as_published`` variant."""
    return (*_NAMED, *(form for form, _, _ in _FAMILIES))
