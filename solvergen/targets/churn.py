"""Spells what raises the noise before steps: where they start, and the factors of the raise.

A step from s to t starts at r, where half-log-SNR is kappa lower, but no further than where the run
starts, so that the first step has none. Its phase is called on (t, r), and with up and nu of the
step that follows, which its last row carries.
"""

from collections.abc import Sequence

from solvergen.program.program import StepProgram
from solvergen.scalars.formulas import Formulas
from solvergen.symbols import alpha, alpha_s, length, s, sigma, sigma_s, t
from solvergen.targets.formulas import INDENT, Spelling
from solvergen.targets.steps import CALLS

RAISED = '''def _raised(t{given}):
    """Where steps start after the noise is raised, and alpha_r/alpha_s and nu of the next step."""
    {level}
    {length}kappa = np.minimum({kappa}, level - level[0])  # no further than the run
    r = np.where(kappa > 0.0, {raised}, s)
    up, nu = alpha(r) / alpha(s), sigma(r) * np.sqrt(-np.expm1(-2.0 * {rise}))
    return r, np.append(up[1:], 1.0), np.append(nu[1:], 0.0)'''

LENGTH = """h = {} - level
    h = np.where(np.isfinite(h), h, 0.0)  # to sigma = 0 without
    """

CHECK = (
    "churn = np.asarray(churn, dtype=np.float64)",
    "if churn.size not in (1, t.size - 1) or not ((churn >= 0) & (churn < np.inf)).all():",
    "    raise ValueError(",
    '        f"churn is {churn}; expected numbers from 0 on, one or one a step"',
    "    )",
)
"""Of what a run says."""


def statements(formulas: Formulas, program: StepProgram, names: Sequence[str]) -> list[str]:
    """Those that make ``rows`` of the times t; ``names`` are the functions of the phases."""
    is_given = formulas.churn is not None and formulas.churn.is_constant
    lines = [*(CHECK if is_given else ()), f"r, up, nu = _raised(t{', churn' if is_given else ''})"]
    if not is_numbered(program):
        return [*lines, f"rows = {names[0]}(t[1:], r, up, nu)"]
    return [
        *lines,
        "rows = []",
        "for number, steps in groupby(enumerate(_phases(t)), key=lambda one: one[1]):",
        f"{INDENT}n = np.array([step for step, _ in steps])",
        f"{INDENT}function, _ = _PHASES[number]",
        f"{INDENT}rows.append(function(t[n + 1], r[n], up[n], nu[n]))",
        "rows = np.concatenate(rows)",
    ]


def is_numbered(program: StepProgram) -> bool:
    """Whether the steps of a run take several phases."""
    return program.raises and bool(program.closing or program.at_infinity)


def function(formulas: Formulas) -> str:
    """``_raised``."""
    chosen, is_level = formulas.churn, formulas.schedule.is_half_log_snr
    assert chosen is not None
    form = chosen.formula.xreplace({t: s, alpha: CALLS[alpha_s], sigma: CALLS[sigma_s]})
    h = LENGTH.format("t[1:]" if is_level else "half_log_snr(t[1:])") if form.has(length) else ""
    code = Spelling(formulas.schedule.parameters).code(form)
    return RAISED.format(
        given=", churn" if chosen.is_constant else "",
        level="s = level = t[:-1]" if is_level else "s, level = t[:-1], half_log_snr(t[:-1])",
        length=h,
        kappa="churn" if chosen.is_constant else code,
        rise="(s - r)" if is_level else "_length(s, r)",
        raised="level - kappa" if is_level else "time_at_half_log_snr(level - kappa)",
    )
