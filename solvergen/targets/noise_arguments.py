"""What ``coefficients`` takes beside the grid, and what it makes of it: eta of every step."""

from solvergen.algebra.numpy_code import float_literal
from solvergen.scalars.formulas import Formulas
from solvergen.targets.formulas import INDENT


def arguments(formulas: Formulas) -> list[tuple[str, str]]:
    """The arguments of ``coefficients`` behind the grid, with their defaults."""
    found = []
    if formulas.limiter is not None:
        found.append(("limiter", float_literal(formulas.limiter)))
    noise = formulas.noise
    if noise is not None and noise.kind != "renoise":
        name = "e" if noise.kind == "ancestral" else "eta"
        found.append((name, float_literal(noise.formula)))
    if formulas.churn is not None and formulas.churn.is_constant:
        found.append(("churn", float_literal(formulas.churn.formula)))
    if formulas.is_noisy:
        found.append(("noise_scale", "1.0"))
    return found


def says(formulas: Formulas) -> str:
    """Of the arguments about noise."""
    scale = "The noise is multiplied by ``noise_scale``."
    noise = formulas.noise
    if formulas.churn is not None and formulas.churn.is_constant:
        text = "``churn`` is by how much half-log-SNR falls before a step, from 0; or one for each."
        return f"{text}\n{INDENT}{scale}"
    if noise is None or noise.kind == "renoise":
        return scale
    if noise.kind == "ancestral":
        text = "``e`` is DDIM's eta, from 0, the ODE, to 1; one for all steps, or one each."
    else:
        text = "``eta`` is a number from 0, the ODE, or one for every step."
    return f"{text}\n{INDENT}{scale}"


def etas(formulas: Formulas) -> list[str]:
    """Statements that make ``eta`` of every step."""
    noise = formulas.noise
    if noise is None:
        return []
    if noise.kind == "renoise":
        return ["eta = np.full(t.size - 1, np.inf)  # nothing is left of the noise before"]
    is_ancestral = noise.kind == "ancestral"
    name, bound, words = ("e", "<= 1", "to 1") if is_ancestral else ("eta", "< np.inf", "on")
    lines = [
        f"{name} = np.asarray({name}, dtype=np.float64)",
        f"if {name}.size not in (1, t.size - 1) or not (({name} >= 0) & ({name} {bound})).all():",
        "    raise ValueError(",
        f'        f"{name} is {{{name}}}; expected numbers from 0 {words}, one or one a step"',
        "    )",
        f"{name} = np.broadcast_to({name}, t.size - 1)",
    ]
    if not is_ancestral:
        return lines
    is_level = formulas.is_time and formulas.is_half_log_snr
    length = "t[1:] - t[:-1]" if is_level else "_length(t[1:], t[:-1])"
    return [
        *lines,
        f"h = np.minimum({length}, 1e300)",
        "eta = np.sqrt(-np.log1p(e**2 * np.expm1(-2 * h)) / (2 * h))",
        "eta = np.where(e < 1, eta, 1.0)",
    ]
