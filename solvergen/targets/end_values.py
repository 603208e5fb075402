"""Spells what is asked at the end and at the start of steps: alpha and sigma, once for both."""

from collections.abc import Iterable

from sympy import Expr

from solvergen.scalars.formulas import Formulas
from solvergen.symbols import alpha, alpha_s, sigma, sigma_s

ENDS = {"alpha": {alpha: "t", alpha_s: "s"}, "sigma": {sigma: "t", sigma_s: "s"}}


def values_at_ends(forms: Iterable[Expr]) -> list[str]:
    """Statements that compute ``alpha_t``, ``alpha_s``, .. of the times t and s, if one of the
    formulas reads them.
    """
    free = {symbol for one in forms for symbol in one.free_symbols}
    read = {name: [ends[one] for one in ends if one in free] for name, ends in ENDS.items()}
    lines = [f"{one}_{ends[0]} = {one}({ends[0]})" for one, ends in read.items() if len(ends) == 1]
    pairs = [one for one, ends in read.items() if len(ends) == 2]
    if len(pairs) == 1:
        lines.append("{0}_t, {0}_s = {0}(np.array([t, s]))".format(*pairs))
    elif pairs:
        lines.append("both = np.array([t, s])")
        lines.append("(alpha_t, alpha_s), (sigma_t, sigma_s) = alpha(both), sigma(both)")
    return lines


def is_falling(formulas: Formulas) -> str:
    """Whether lambda grows over a step."""
    return "t > s" if formulas.schedule.is_half_log_snr else "t < s"
