"""Published solvers by name: an integrand, an expansion variable and a scheme each.

A preset is the method that its paper derives, with a start-up that keeps the order. Where the
published code does something else, ``<name>_as_published`` takes its steps, and states the order
that it then has:

    dpm_solver_3m, dpm_solver_pp_3m    the second divided difference, h^2 N''/2, is multiplied with
                                       the coefficient of h^2 N'': moments scaled by 1, 1, 1/2
    unip_K, unipc_K                    orders 1, 2, .. in the first steps, .., 2, 1 in the last
    lms, deis_.., zab_K, ..            orders 1, 2, .. in the first steps
    ipndm, res_3m                      weights for equal steps on every grid; those of res_3m from
                                       c_3^3 where the derivation has c_3^2 (equal steps in lambda)
    skrample_rk3, skrample_rk4         a classical tableau in a variable that is not the clock
    edm_heun                           Euler's method in the last step

Other known defects are no schemes. A factor sqrt(alpha_s^2 + sigma_t^2) for sqrt(alpha_s^2 +
sigma_s^2) (azula, REABSampler) leaves weights whose sum is not 1, and -1/2 for +1/2 in the
coefficient of the second difference (diffusers, sde-dpmsolver++ of order 3) one that does not
vanish with h: both are refused as inconsistent, and stay rows of ``solvergen audit``. The
corrector of UniPC's vary_coeff variant has parts of an inverse matrix of the step ratios for
weights, which are neither an interpolation nor constants times moments.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from solvergen.derivation.parameterization import Parameterization
from solvergen.errors import SolvergenError
from solvergen.methods.limiter import is_default
from solvergen.naming import meant, shown
from solvergen.schedules import named
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import schemes
from solvergen.specification.solver import Solver

__all__ = ["FAMILIES", "Family", "Preset", "find", "fixed_names", "get", "names"]


def __dir__() -> list[str]:
    """The presets by name, and what one is."""
    return __all__


DPM = "Lu et al. 2022 (arXiv:2206.00927)"
DPM_PP = "Lu et al. 2022b (arXiv:2211.01095)"
DEIS = "Zhang and Chen 2023 (arXiv:2204.13902)"
UNIPC = "Zhao et al. 2023 (arXiv:2302.04867)"
EDM = "Karras et al. 2022 (arXiv:2206.00364)"
FLOW = "Lipman et al. 2023 (arXiv:2210.02747); Liu et al. 2023 (arXiv:2209.03003)"
RES = "Zhang et al. 2023 (arXiv:2308.02157)"
HO = "Hochbruck and Ostermann 2005 (SIAM J. Numer. Anal. 43, 1069)"
HNW = "Hairer, Norsett and Wanner 1993 (Solving Ordinary Differential Equations I)"
COX_MATTHEWS = "Cox and Matthews 2002 (J. Comput. Phys. 176, 430)"
KROGSTAD = "Krogstad 2005 (J. Comput. Phys. 203, 72)"
STREHMEL_WEINER = "Strehmel and Weiner 1992 (Teubner)"
AZULA = "azula.sample"
SKRAMPLE = "skrample, RKUltra"
LAMBDA, RHO, STRAIGHT = "half_log_snr", "sigma/alpha", "sigma/(alpha+sigma)"
MIDPOINT_2M = "1:{0} | 1:{0,-1}~classical"
HALVED_3M = f"{MIDPOINT_2M} | 1:{{0,-1,-2}}~scaled(1,1,1/2)"
MIDPOINT_3S = "1/3:{0}; 2/3:{0,s1}~classical; 1:{0,s2}"
HEUN_3S = "1/3:{0}; 2/3:{0,s1}; 1:{0,s1,s2}"
ONE = "eta: 1"
ANCESTRAL = "k-diffusion, sample_euler_ancestral"
SEEDS = "Gonzalez et al. 2023 (arXiv:2305.14267)"
SA = "Xue et al. 2023 (arXiv:2309.05019), SA-Solver, tau = 1"
ER_SDE = "Cui et al. 2023 (arXiv:2309.06169), ER-SDE-Solver-K, with exact weights"
RETENTION = "retention: exp((sigma/alpha)**(3/10)) + 10"
GRPO = "Liu et al. 2025 (arXiv:2505.05470), with second order"
HEUN_EULER = "1:{0: 1}; 1:{0: 1/2, s1: 1/2} || 1:{0: 1}"
AB_RAMP = (
    "1:{0} | 1:{0: 3/2, -1: -1/2} | 1:{0: 23/12, -1: -16/12, -2: 5/12} | "
    "1:{0: 55/24, -1: -59/24, -2: 37/24, -3: -9/24}"
)
RES_3M = "1:{0} | 1:{0,-1} | 1:{0: 1+5/6*mu1, -1: -2/3*mu1, -2: -1/6*mu1}"
RAMP = "multistep:K:ramp"


@dataclass(frozen=True)
class Preset:
    """A published solver without its schedule.

    Attributes:
        name: as the user types it.
        integrand: what is expanded.
        expansion: the variable that it is expanded in.
        scheme: the text of the scheme.
        source: paper and equations.
        stochasticity: of noise on the way, if it adds any.
    """

    name: str
    integrand: str
    expansion: str
    scheme: str
    source: str
    stochasticity: str | None = None

    def solver(
        self,
        schedule: NoiseSchedule | str,
        prediction: Parameterization | str = "noise",
        limiter: Any = True,
        stochasticity: Any = None,
    ) -> Solver:
        """The solver of a schedule and of what the network returns.

        A ``stochasticity`` takes the place of its own. By default its weights are bounded
        (``Solver``), but for the steps of published code.
        """
        scheme = replace(schemes.get(self.scheme), source=self.source)
        if is_default(limiter) and self.name.endswith("_as_published"):
            limiter = None
        noise = self.stochasticity if stochasticity is None else stochasticity
        return Solver(schedule, prediction, self.integrand, self.expansion, scheme, limiter, noise)

    def __str__(self) -> str:
        choices = [self.integrand, self.expansion, self.scheme]
        choices += [self.stochasticity] if self.stochasticity else []
        return f"{self.name}: {', '.join(choices)}; {self.source}"


@dataclass(frozen=True)
class Family:
    """Presets of every order.

    Attributes:
        stem: of the name, before the order.
        integrand, expansion: as for a preset.
        scheme: with K for the order and V for the variant B(h), if there are variants.
        published: of the published code, likewise; empty if it does what the paper derives, or
            what no scheme can express.
        source: paper and equations.
        stochasticity: of noise on the way, if it adds any.
    """

    stem: str
    integrand: str
    expansion: str
    scheme: str
    published: str
    source: str
    stochasticity: str | None = None

    def __str__(self) -> str:
        choices = [self.integrand, self.expansion, self.scheme]
        choices += [self.stochasticity] if self.stochasticity else []
        return f"{self.form}: {', '.join(choices)}; {self.source}"

    @property
    def form(self) -> str:
        """What a user types."""
        variants = "[_bh1|_bh2]" if "V" in self.scheme else ""
        return f"{self.stem}_K{variants}" + ("[_as_published]" if self.published else "")

    def find(self, name: str) -> Preset | None:
        """The preset of a name, if it is of this family."""
        found = re.fullmatch(rf"{self.stem}_([1-9]\d?)(?:_(bh[12]))?(_as_published)?", name)
        text = found and (self.published if found[3] else self.scheme)
        if not found or not text or (found[2] and "V" not in text):
            return None
        scheme = text.replace("K", found[1]).replace("V", found[2] or "exact")
        choices = (self.integrand, self.expansion, scheme, self.source, self.stochasticity)
        return Preset(name, *choices)


@dataclass(frozen=True)
class AdamsFamily(Family):
    """A predictor of P steps and a corrector of C, with P <= C: P nodes, and C and the newest one.

    Both grow with the history; the noise of a correction is that of the step that it corrects.
    """

    @property
    def form(self) -> str:
        """What a user types."""
        return f"{self.stem}_P_C"

    def find(self, name: str) -> Preset | None:
        """The preset of a name, if it is of this family."""
        found = re.fullmatch(rf"{self.stem}_([1-4])_([1-4])", name)
        if not found:
            return None
        predictor, corrector = map(int, found.groups())
        if corrector < predictor:
            raise SolvergenError(
                f"preset {name}: got a corrector of {corrector} steps for a predictor of "
                f"{predictor}; expected one of at least as many: it replaces what that read"
            )
        phases = []
        for n in range(corrector + 1):
            correction = f"0<-1:{_nodes(n + 1)}; " if n else ""
            phases.append(f"{correction}1:{_nodes(min(predictor, n + 1))}")
        choices = (self.integrand, self.expansion, " | ".join(phases), self.source)
        return Preset(name, *choices, self.stochasticity)


def _nodes(count: int) -> str:
    """The newest values."""
    return "{" + ",".join(str(-k) for k in range(count)) + "}"


_FIXED = (
    ("ddim", "noise", LAMBDA, "multistep:1", "Song et al. 2021 (arXiv:2010.02502), eq. 12"),
    ("dpm_solver_1", "noise", LAMBDA, "multistep:1", DPM),
    ("dpm_solver_2", "noise", LAMBDA, "1/2:{0}; 1:{s1}", f"{DPM}, Algorithm 1"),
    ("dpm_solver_2_exact", "noise", LAMBDA, "singlestep:2", f"{DPM}, with exact weights"),
    ("dpm_solver_3", "noise", LAMBDA, "singlestep:3", f"{DPM}, DPM-Solver-3"),
    ("dpm_solver_12", "noise", LAMBDA, "dpm_12", f"{DPM}, appendix, adaptive step size"),
    ("dpm_solver_23", "noise", LAMBDA, "dpm_23", f"{DPM}, appendix, adaptive step size"),
    ("dpm_solver_2m", "noise", LAMBDA, "multistep:2", f"{DPM}; {DPM_PP}, multistep"),
    ("dpm_solver_2m_midpoint", "noise", LAMBDA, MIDPOINT_2M, f"{DPM_PP}, the authors' code"),
    ("dpm_solver_3m", "noise", LAMBDA, "multistep:3", f"{DPM}; {DPM_PP}, multistep"),
    ("dpm_solver_3m_as_published", "noise", LAMBDA, HALVED_3M, f"{DPM_PP}, the authors' code"),
    ("dpm_solver_pp_2s", "data", LAMBDA, "singlestep:2", f"{DPM_PP}, DPM-Solver++(2S)"),
    ("dpm_solver_pp_2s_midpoint", "data", LAMBDA, "1/2:{0}; 1:{s1}", f"{DPM_PP}, DPM-Solver++(2S)"),
    ("dpm_solver_pp_3s", "data", LAMBDA, "singlestep:3", f"{DPM_PP}, third order"),
    ("dpm_solver_pp_3s_midpoint", "data", LAMBDA, MIDPOINT_3S, f"{DPM_PP}, the authors' code"),
    ("dpm_solver_pp_3s_heun", "data", LAMBDA, HEUN_3S, f"{DPM_PP}, the authors' code"),
    ("dpm_solver_pp_2m", "data", LAMBDA, "multistep:2", f"{DPM_PP}, with exact weights"),
    (
        "dpm_solver_pp_2m_midpoint",
        "data",
        LAMBDA,
        MIDPOINT_2M,
        f"{DPM_PP}, Algorithm 2",
    ),
    ("dpm_solver_pp_3m", "data", LAMBDA, "multistep:3", f"{DPM_PP}, third order"),
    (
        "dpm_solver_pp_3m_as_published",
        "data",
        LAMBDA,
        HALVED_3M,
        f"{DPM_PP}, the authors' code: multistep third update",
    ),
    ("deis_rho_heun", "noise", RHO, "heun", f"{DEIS}, rhoRK-DEIS"),
    ("deis_rho_kutta3", "noise", RHO, "kutta3", f"{DEIS}, rhoRK-DEIS"),
    ("deis_rho_rk4", "noise", RHO, "rk4", f"{DEIS}, rhoRK-DEIS"),
    ("edm_euler", "noise", RHO, "euler", f"{EDM}, Algorithm 1 without its correction"),
    ("edm_heun", "noise", RHO, "heun", f"{EDM}, Algorithm 1"),
    ("edm_heun_as_published", "noise", RHO, HEUN_EULER, f"{EDM}, Algorithm 1"),
    ("edm_stochastic", "noise", RHO, HEUN_EULER, f"{EDM}, Algorithm 2", "churn: 3/20"),
    ("flow_euler", "flow", "time", "euler", FLOW),
    ("flow_midpoint", "flow", "time", "midpoint", FLOW),
    ("flow_heun", "flow", "time", "heun", FLOW),
    ("lms", "noise", RHO, "multistep:4", "Adams and Bashforth 1883, in sigma/alpha (k-diffusion)"),
    ("lms_as_published", "noise", RHO, "multistep:4:ramp", "k-diffusion, sample_lms"),
    ("ipndm", "noise", RHO, "multistep:4", f"{DEIS}, iPNDM, on uneven grids"),
    ("ipndm_as_published", "noise", RHO, AB_RAMP, f"{DEIS}, iPNDM, for equal steps"),
    ("res_2s", "data", LAMBDA, "singlestep:2", f"{RES}, Algorithms 1 and 2; {HO}"),
    ("res_3s", "data", LAMBDA, "res_3s", f"{RES}; {HO}"),
    ("res_2m", "data", LAMBDA, "multistep:2", f"{RES}, multistep"),
    ("res_3m", "data", LAMBDA, "multistep:3", f"{RES}, multistep"),
    ("res_3m_as_published", "data", LAMBDA, RES_3M, "RES4LYF, res_3m, for equal steps"),
    ("skrample_rk3", "data", "clock", "kutta3", f"{SKRAMPLE} on the clock of x0"),
    ("skrample_rk3_as_published", "data", "time", "kutta3", SKRAMPLE),
    ("skrample_rk4", "data", "clock", "rk4", f"{SKRAMPLE} on the clock of x0"),
    ("skrample_rk4_as_published", "data", "time", "rk4", SKRAMPLE),
    ("cox_matthews", "data", LAMBDA, "cox_matthews", COX_MATTHEWS),
    ("krogstad", "data", LAMBDA, "krogstad", f"{KROGSTAD}, eq. 51; {HO}"),
    (
        "strehmel_weiner",
        "data",
        LAMBDA,
        "strehmel_weiner",
        f"{STREHMEL_WEINER}; {HO}",
    ),
    ("hochbruck_ostermann", "data", LAMBDA, "hochbruck_ostermann", HO),
    ("ddpm", "data", LAMBDA, "multistep:1", "Ho et al. 2020 (arXiv:2006.11239)", ONE),
    ("euler_ancestral", "data", LAMBDA, "multistep:1", ANCESTRAL, "ancestral: 1"),
    ("lcm", "data", LAMBDA, "multistep:1", "Luo et al. 2023 (arXiv:2310.04378)", "renoise"),
    ("sde_dpm_solver_pp_1", "data", LAMBDA, "multistep:1", DPM_PP, ONE),
    ("sde_dpm_solver_pp_2m", "data", LAMBDA, "multistep:2:ramp", DPM_PP, ONE),
    ("sde_dpm_solver_pp_2m_midpoint", "data", LAMBDA, MIDPOINT_2M, DPM_PP, ONE),
    ("sde_dpm_solver_pp_3m", "data", LAMBDA, "multistep:3:ramp", DPM_PP, ONE),
    ("sde_dpm_solver_pp_3m_as_published", "data", LAMBDA, HALVED_3M, "k-diffusion", ONE),
    ("seeds_2", "data", LAMBDA, "singlestep:2", SEEDS, ONE),
    ("seeds_3", "data", LAMBDA, "singlestep:3", SEEDS, ONE),
    ("flow_sde", "flow", "time", "multistep:2:ramp", GRPO, "eta: 1/2"),
)
_NAMED = {fixed[0]: Preset(*fixed) for fixed in _FIXED}


FAMILIES = (
    Family("deis_tab", "noise", "time", "multistep:K", RAMP, f"{DEIS}, tAB-DEIS"),
    Family("deis_rho_ab", "noise", RHO, "multistep:K", RAMP, f"{DEIS}, rhoAB-DEIS"),
    Family("deis_log_rho_ab", "noise", LAMBDA, "multistep:K", RAMP, f"{DEIS}, in log rho"),
    Family("ab", "flow", "time", "multistep:K", RAMP, f"{HNW}, section III.1"),
    Family("am", "flow", "time", "adams_moulton:K", "", f"{HNW}, section III.1"),
    Family("unip", "data", LAMBDA, "unip:K:V", "unip:K:V:ramp:ramp", f"{UNIPC}, UniP"),
    Family("unipc", "data", LAMBDA, "unipc:K:V", "unipc:K:V:ramp:ramp", f"{UNIPC}, UniPC"),
    Family("zab", "noise", RHO, "multistep:K", RAMP, f"{AZULA}, zABSampler"),
    Family("vab", "straight", STRAIGHT, "multistep:K", RAMP, f"{AZULA}, vABSampler"),
    Family("zeab", "noise", LAMBDA, "multistep:K", RAMP, f"{AZULA}, zEABSampler"),
    Family("xeab", "data", LAMBDA, "multistep:K", RAMP, f"{AZULA}, xEABSampler"),
    Family("er_sde", "data", RHO, "multistep:K:ramp", "", ER_SDE, RETENTION),
    AdamsFamily("sa_solver", "data", LAMBDA, "multistep:P, corrected by C steps", "", SA, ONE),
    Family("reab", "velocity", LAMBDA, "multistep:K", "", f"{AZULA}, REABSampler"),
)
"""With an order K."""


ALIASES = {
    "dpmpp_2m": "dpm_solver_pp_2m_midpoint",
    "dpmpp_2s": "dpm_solver_pp_2s_midpoint",
    "dpmpp_3m": "dpm_solver_pp_3m",
    "dpm_2": "dpm_solver_2",
    "unipc": "unipc_2_bh2",
    "euler": "edm_euler",
    "heun": "edm_heun",
}
"""What k-diffusion and diffusers call them, with the variant that those run by default. For a
flow, with alpha + sigma = 1, ``euler`` and ``heun`` are those of the flow."""


def find(name: str) -> Preset:
    """The preset of a name.

    Raises:
        SolvergenError: there is none.
    """
    given, name = name, ALIASES.get(name, name) if isinstance(name, str) else ""
    if name in _NAMED:
        return _NAMED[name]
    for family in FAMILIES:
        preset = family.find(name)
        if preset is not None:
            return preset
    raise SolvergenError(
        f"unknown preset {shown(given)}; expected one of {', '.join(names())}."
        f"{meant(name, (*_NAMED, *ALIASES, *_examples()))}"
    )


def _examples() -> tuple[str, ...]:
    """One of each family, for a mistyped name."""
    return tuple(
        re.sub(r"_K.*|_P_C", "_2" if "K" in family.form else "_2_2", family.form)
        for family in FAMILIES
    )


def get(
    name: str,
    schedule: NoiseSchedule | str,
    prediction: Parameterization | str = "noise",
    limiter: Any = True,
    stochasticity: Any = None,
) -> Solver:
    """A published solver for a schedule.

    Args:
        name: one of ``names()``, with a number for K, or one of ``ALIASES``.
        schedule: a NoiseSchedule, or the name of one.
        prediction: what the network returns.
        limiter: as for a ``Solver``; the steps of published code have none by default.
        stochasticity: likewise, in place of the preset's own; None for that.

    Raises:
        SolvergenError: there is no such preset, or it does not exist for the schedule.
    """
    if isinstance(schedule, str):
        schedule = named.get(schedule)
    if name in ("euler", "heun") and schedule.is_straight:
        name = f"flow_{name}"
    return find(name).solver(schedule, prediction, limiter, stochasticity)


def fixed_names() -> tuple[str, ...]:
    """The presets without a number."""
    return tuple(_NAMED)


def names() -> tuple[str, ...]:
    """What ``get`` takes: presets, and families with a number for K and what is in brackets."""
    return (*_NAMED, *(family.form for family in FAMILIES))
