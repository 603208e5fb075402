"""The diffusers target: a scheduler class for pipelines, on the table of a run.

A pipeline's network belongs to one of two families,

    discrete    x = alpha x_0 + sigma eps with alpha^2 + sigma^2 = 1, noise levels from a table of
                betas, asked at the steps 0 .. N - 1 of the table
    flow        x = (1 - sigma) x_0 + sigma eps, asked at N sigma,

and the compiled schedule to the same one. Inside a family a schedule is a choice of time for the
same noise levels, lambda or sigma, and coefficients are computed from these (``scalars.levels``).
Only where the integrand or the expansion variable contain time, they are computed at the times of
the compiled schedule; the network's table must then be the one that was compiled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from textwrap import wrap
from typing import Any

import numpy as np
from sympy import Expr, log

from solvergen.algebra.evaluation import compiled
from solvergen.algebra.numpy_code import float_literal, items_code
from solvergen.derivation.parameterization import (
    DATA,
    NOISE,
    STRAIGHT,
    VELOCITY,
    Parameterization,
    conversion,
    on_circle,
)
from solvergen.errors import EmissionError
from solvergen.program.table import Table
from solvergen.scalars.forms import in_time
from solvergen.scalars.formulas import LONG, Formulas
from solvergen.scalars.levels import depends_on_time, in_half_log_snr, in_noise_level
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import schemes
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, half_log_snr_symbol, sigma, t
from solvergen.targets import data_factors, torch
from solvergen.targets.diffusers_options import DISCRETE, FLOW
from solvergen.targets.evaluations import evaluations_code
from solvergen.targets.formulas import INDENT, Spelling
from solvergen.targets.functional import Names, pass_lines
from solvergen.targets.host import columns_text
from solvergen.targets.passes import Control, Sums
from solvergen.targets.solver_names import class_name
from solvergen.targets.steps import conversion_code
from solvergen.targets.target import ON_ANY_GRID, Target, require_own_time
from solvergen.targets.whole_run import WholeRun, rows_code

TRAIN_TIMESTEPS = 1000
DOCSTRING_WIDTH = 92
TO_DATA = ("_to_data", "data")
STATE = Names("sample", "self._start", "self._past", "self._{}[n]")
DROPS = replace(STATE, kind="n not in self._dropped")
DROPPED = "self._dropped = np.flatnonzero({}[:, 1] == 0.0).tolist()  # whose value is not kept"
"""Where rows differ in nothing else: a compiled step asks n for the few that it is not, and is one
for all others; a list of all it would look up, and be compiled for each."""


@dataclass(frozen=True)
class Basis:
    """What the networks of a solver are, and what its coefficients are computed from.

    Attributes:
        is_flow: whether alpha + sigma = 1.
        prediction_type: what diffusers calls the prediction.
        formulas: of the module; no row ends a step, whose start the scheduler is given.
        through_time: whether they are those of the compiled schedule's time.
        prediction: its coefficients without time.
    """

    is_flow: bool
    prediction_type: str
    formulas: Formulas
    through_time: bool
    prediction: Parameterization

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, solver: Solver) -> "Basis":
        """Choose it.

        Raises:
            EmissionError: the schedule belongs to neither family, no network of its family makes
                this prediction, or a step spends evaluations that nobody knows in advance.
        """
        if solver.program.repeat is not None:
            raise EmissionError(
                f"target diffusers: the scheme {schemes.to_text(solver.scheme)} repeats an "
                "evaluation to a tolerance; expected one whose evaluations are known in advance, "
                "because a pipeline lists them: give the number of iterations instead "
                "(adams_moulton:K:M)."
            )
        require_own_time("diffusers", solver.schedule)
        is_flow = _is_flow(solver.schedule)
        name, prediction = _prediction(solver, is_flow)
        in_levels = in_noise_level if is_flow else in_half_log_snr
        found = in_levels(solver, prediction)
        formulas = found or Formulas.of(solver, False, True)
        table = _without_ends(formulas.table)
        return cls(is_flow, name, replace(formulas, table=table), found is None, prediction)

    @property
    def data(self) -> tuple[Expr, Expr]:
        """A and B of x_0 = A x + B prediction, in alpha and sigma."""
        a, b = conversion(self.prediction, DATA)
        if not self.is_flow:
            return on_circle(a), on_circle(b)
        return a.subs(alpha, 1 - sigma).cancel(), b.subs(alpha, 1 - sigma).cancel()

    @property
    def columns(self) -> str:
        """What the columns of the table are."""
        level, levels = ("sigma", "sigmas") if self.is_flow else ("lambda", "half-log-SNRs")
        text = columns_text(self.formulas.table).replace("t", level, 1)
        place = "" if self.through_time else ", which take the place of times"
        return f"The columns are {text}. ``levels`` [steps + 1] are the {levels} of a run{place}."

    @property
    def levels_before_data(self) -> str:
        """An expression for the levels of a run without an end beyond the schedule's."""
        if self.formulas.data_conversion is None:
            return "levels"
        return f"levels[levels {'> 0.0' if self.is_flow else '< np.inf'}]"

    @property
    def run_times(self) -> str:
        """An expression for what takes the place of the times of a run."""
        return (
            f"_times({self.levels_before_data})" if self.through_time else self.levels_before_data
        )

    @property
    def reads_level(self) -> bool:
        """Whether lambda is a function that coefficients call."""
        formulas = self.formulas
        calls = formulas.churn is not None
        calls |= (formulas.is_half_log_snr and not formulas.is_time) or formulas.integrals.is_needed
        return calls and not formulas.schedule.is_half_log_snr

    @property
    def reads_inverse(self) -> bool:
        """Whether t at lambda is one."""
        found = self.formulas.integrals
        rates = (found.clock, found.speed, found.length)
        inner = self.formulas.is_half_log_snr and self.formulas.has_inner
        inner |= self.formulas.churn is not None
        return self.reads_level and (inner or any(one is not None and one.has(t) for one in rates))

    def reads_gamma(self, solver: Solver) -> bool:
        """Whether gamma is one."""
        formulas = self.formulas
        is_other = not (formulas.is_time or formulas.is_half_log_snr)
        return is_other and (solver.program.at_infinity is not None or formulas.has_inner)


def _without_ends(table: Table) -> Table:
    """The same rows, none of which makes the sample the start of the next step."""
    phases = (
        replace(one, rows=tuple(replace(row, ends=False) for row in one.rows))
        for one in table.phases
    )
    return replace(table, phases=tuple(phases))


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """What the scheduler is called, which networks it is for, and the statements of a step."""
    basis, table = Basis.of(solver), formulas.table
    control, schedule = Control(table), formulas.schedule
    spelling = Spelling(schedule.parameters)
    to_level = {t: half_log_snr_symbol}
    tables, to_data, churn = schedule.tables, formulas.data_conversion, formulas.churn
    state = DROPS if control.mode == "keeps" else STATE
    lines = pass_lines(table, control.pass_name(), state)
    return {
        "class_name": class_name(solver),
        "flow": basis.is_flow,
        "options": FLOW if basis.is_flow else DISCRETE,
        "prediction_type": basis.prediction_type,
        "depends_on_time": not basis.is_flow and depends_on_time(solver),
        "through_time": basis.through_time,
        "train_timesteps": len(tables[0].x) if tables else TRAIN_TIMESTEPS,
        "uneven": len({phase.evaluations for phase in solver.scheme.all_phases}) > 1,
        "alpha_of_level": spelling.code(schedule.alpha.xreplace(to_level)),
        "sigma_of_level": spelling.code(schedule.sigma.xreplace(to_level)),
        "log_alpha": spelling.code(_log_alpha(solver.schedule)),
        "last_time": "" if schedule.domain[1] == 1 else f"{float_literal(schedule.domain[1])} * ",
        "run_times": basis.run_times,
        "reads_level": basis.reads_level,
        "reads_inverse": basis.reads_inverse,
        "reads_gamma": basis.reads_gamma(solver),
        "reads_inner": formulas.has_inner,
        "columns_of_levels": f"\n{INDENT}".join(wrap(basis.columns, DOCSTRING_WIDTH)),
        "evaluations": evaluations_code(formulas, solver.program, basis.run_times),
        "predicts_data": basis.prediction == DATA,
        "data_factors_of_levels": data_factors.of_levels(*basis.data, basis.through_time),
        "to_data": "" if to_data is None else conversion_code(to_data, spelling, *TO_DATA),
        "data_row": "" if to_data is None else _data_row(formulas),
        "has_eta": formulas.noise is not None and formulas.noise.kind == "eta",
        "raises": formulas.churn is not None,
        "churn": "" if churn is None or not churn.is_constant else float_literal(churn.formula),
        "eta": "" if formulas.noise is None else float_literal(formulas.noise.formula),
        "passes": torch.passes(table),
        "planned": _planned(control, "rows"),
        "planned_whole": _planned(control, "self._rows"),
        "step_lines": "\n        ".join(lines),
        "reads_number": bool(control.mode),
    }


def _planned(control: Control, rows: str) -> str:
    """The statement that says the kinds of all rows."""
    if control.mode == "keeps":
        return DROPPED.format(rows)
    return control.planned(rows, "self._")


def whole_run(
    solver: Solver, run: WholeRun, alphas: Sequence[Any], sigmas: Sequence[Any]
) -> dict[str, Any]:
    """Which networks a scheduler for one grid is for, and its rows.

    Raises:
        EmissionError: the schedule belongs to neither family, or no network of its family makes
            this prediction.
    """
    is_flow = _is_flow(solver.schedule)
    name, _ = _prediction(solver, is_flow)
    if is_flow:
        levels = list(map(float, sigmas))
    else:
        with np.errstate(divide="ignore"):
            ratios = [
                float(a) / float(b) if b else np.inf for a, b in zip(alphas, sigmas, strict=True)
            ]
            levels = np.log(ratios).tolist()
    count, called = len(run.times) - 1, class_name(solver).removesuffix("Scheduler")
    return {
        "class_name": f"{called}In{count}Scheduler",
        "flow": is_flow,
        "options": FLOW if is_flow else DISCRETE,
        "prediction_type": name,
        **rows_code(levels, run),
        "first_sigma": repr(float(sigmas[0])),
        "last_level": repr(levels[-1]) if np.isfinite(levels[-1]) else "np.inf",
    }


def _log_alpha(schedule: NoiseSchedule) -> Expr:
    """log alpha of the compiled schedule, in the form that keeps its digits to the end."""
    whole, parts = in_time(log(schedule.alpha), schedule), in_time(schedule.alpha, schedule)
    if whole.count_ops() > LONG:
        return log(parts)
    last = np.float64(schedule.t_max)
    with np.errstate(all="ignore"):
        found, expected = (
            compiled(schedule.substitute(one), (t,), "numpy")(last) for one in (whole, log(parts))
        )
    return whole if np.isclose(found, expected) else log(parts)


def _data_row(formulas: Formulas) -> str:
    """Statements that make ``row``, which takes the data x_0 = A x + B prediction."""
    table, to_data = formulas.table, formulas.data_conversion
    assert to_data is not None
    first = table.phases[-1].rows[0]
    columns = {name: number for number, name in Sums.of(table, table.shapes[first.shape]).landing}
    pairs = list(zip("ab", to_data.forms, strict=True))
    given = [name for name, form in pairs if not form.is_number]
    a, b = (str(form) if form.is_number else name for name, form in pairs)
    items = {0: "s", columns["x"]: a, columns["prediction"]: b}
    if len(table.kinds) > 1:
        items[1] = str(table.kinds.index(first.kind))
    listed = ", ".join(items.get(number, "0") for number in range(table.width))
    lines = [f"{items_code(given)} = _to_data(s)"] if given else []
    return f"\n{2 * INDENT}".join([*lines, f"rows = np.concatenate([rows, _rows(({listed}))])"])


def _is_flow(schedule: NoiseSchedule) -> bool:
    if schedule.is_variance_preserving:
        return False
    if schedule.vanishes(schedule.alpha + schedule.sigma - 1):
        return True
    raise EmissionError(
        f"target diffusers: got alpha = {schedule.alpha}, sigma = {schedule.sigma}; expected "
        "alpha^2 + sigma^2 = 1, for networks with a table of betas (any schedule of that kind, "
        "such as vp_alphabar or stable_diffusion), or alpha + sigma = 1, for flow networks "
        "(rectified_flow): the sample of a pipeline is scaled in one of these two ways."
    )


def _prediction(solver: Solver, is_flow: bool) -> tuple[str, Parameterization]:
    """What diffusers calls the compiled prediction, and its coefficients without time."""
    named = {"epsilon": NOISE, "sample": DATA}
    named |= {"flow_prediction": STRAIGHT} if is_flow else {"v_prediction": VELOCITY}
    for name, one in named.items():
        if _equal(solver.prediction, one, solver.schedule):
            return name, one
    raise EmissionError(
        f"target diffusers: got the prediction {solver.prediction.name} with the schedule "
        f"{solver.schedule.name}; expected "
        + ", ".join(f"{one.name} ({name})" for name, one in named.items())
        + ": the kinds of prediction that networks of its family make."
    )


def _equal(first: Parameterization, second: Parameterization, schedule: NoiseSchedule) -> bool:
    """Whether two parameterizations are one on this schedule."""
    pairs = zip(first.coefficients(schedule), second.coefficients(schedule), strict=True)
    return all(schedule.vanishes(a - b) for a, b in pairs)


RANDN = "from diffusers.utils.torch_utils import randn_tensor"
"""What draws noise in the steps that have some."""

TARGET = Target(
    name="diffusers",
    dtypes=torch.dtypes,
    to_array=torch.to_array,
    to_numpy=torch.to_numpy,
    standard=("from pathlib import Path",),
    requires=(
        "import torch",
        "from diffusers import ConfigMixin, SchedulerMixin",
        "from diffusers.configuration_utils import register_to_config",
        "from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput",
    ),
    requires_for_noise=(RANDN,),
    interface=("ORDER", "SPEC", "coefficients", "Scheduler"),
    settings=settings,
    adapts=False,
    counts_steps=True,
    has_class=True,
    whole_run=whole_run,
    method=ON_ANY_GRID,
    formulas=lambda solver: Basis.of(solver).formulas,
)
