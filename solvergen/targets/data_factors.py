"""What a prediction says of the data, and back: spelled for the modules of all targets.

P = p_data x0 + p_noise eps says x_0 = A x + B P with A = p_noise/det and B = -sigma/det, and the
prediction that says another x_0 of the same x is (x_0 - A x)/B. There is none where B = 0, which is
at sigma = 0 for all but predictions of the data: x is the data there, whatever is predicted.
"""

import textwrap
from collections.abc import Sequence
from math import isfinite
from typing import Any

from sympy import Expr, Symbol

from solvergen.scalars import baking
from solvergen.scalars.conversion import Conversion
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, sigma
from solvergen.targets.formulas import ARRAYS, INDENT, Spelling

NAME = "_data_factors"
WIDTH = 94
UNBROKEN = "\xa0"


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """Whether predictions are converted, and the function of their factors."""
    found = formulas.to_data
    return {
        "hooks": solver.hooks,
        "converts_data": found is not None,
        "data_factors": "" if found is None else _code(found, formulas),
    }


def baked_settings(solver: Solver, times: Sequence[float]) -> dict[str, Any]:
    """The factors of every evaluation of one grid, as literals.

    They are none where a prediction of one of them says nothing of the data.
    """
    factors = baking.data_factors(solver, times) if solver.hooks else ()
    converts = any(pair != (0.0, 1.0) for pair in factors)
    tells = all(b != 0 and isfinite(a + b) for a, b in factors)
    spelled = ", ".join(f"({a!r},{UNBROKEN}{b!r})" for a, b in factors)
    lines = textwrap.wrap(f"{spelled},", WIDTH)
    return {
        "hooks": solver.hooks,
        "converts_data": converts,
        "tells_data": tells,
        "is_converted": converts and tells,
        "data_rows": textwrap.indent("\n".join(lines).replace(UNBROKEN, " "), INDENT),
    }


def _code(found: Conversion, formulas: Formulas) -> str:
    """The function that lists A and B."""
    spelling, lines = Spelling(formulas.schedule.parameters), []
    lines += [f"{name} = {spelling.at_times(called(one))}" for name, one in found.slopes]
    varies = bool(found.b.free_symbols & ARRAYS)
    b = spelling.code(called(found.b)) if varies else spelling.at_times(found.b)
    pair = f"{spelling.code(called(found.a))}, {b}"
    lines.append(f"return np.stack(np.broadcast_arrays({pair}), axis=1).tolist()")
    says = '"""A and B of x_0 = A x + B P at the times t."""'
    body = f"\n{INDENT}".join([says, *lines])
    return f'@np.errstate(all="ignore")\ndef {NAME}(t):\n{INDENT}{body}'


def of_levels(a: Expr, b: Expr, through_time: bool) -> str:
    """The statements that list A and B in alpha and sigma at the noise levels that are asked."""
    shown = {alpha: Symbol("a"), sigma: Symbol("s")}
    forms = [one.xreplace(shown) for one in (a, b)]
    used = [one for one in shown if a.has(one) or b.has(one)]
    if through_time:
        names = ", ".join(shown[one].name if one in used else "_" for one in shown)
        lines = [f"{names} = _scales(asked)"]
    else:
        names = ", ".join(shown[one].name for one in used)
        lines = [f"{names} = {', '.join(f'{one}(asked)' for one in used)}"]
    pair = ", ".join(Spelling(()).code(one) for one in forms)
    lines.append(f"self._data = np.stack(np.broadcast_arrays({pair}), axis=1).tolist()")
    return f"\n{2 * INDENT}".join(lines)


def called(form: Expr) -> Expr:
    """A formula with calls in the place of alpha and sigma."""
    return form.xreplace({one: Symbol(f"{one}(t)") for one in (alpha, sigma)})
