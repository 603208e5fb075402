"""What the pass functions of all targets share: names, docstrings, the order of their arguments."""

from collections.abc import Callable

from solvergen.methods.scheme import CURRENT, Kind
from solvergen.program.columns import Storage, is_copy
from solvergen.program.fusion import Array, Operand, Pass
from solvergen.specification.solver import Solver


def pass_name(phase: str, one: Pass) -> str:
    """The name of the function of a pass."""
    return f"_{phase}_pass_{one.stage}"


def pair_functions(
    solver: Solver, function: Callable[..., str]
) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """The passes of adaptive steps that the steps of a fixed grid do not have, and all names.

    Args:
        solver: the solver.
        function: ``function(solver, name, one, adaptive)`` is the source of a pass.
    """
    known = {
        (pass_name(phase.name, one), function(solver, pass_name(phase.name, one), one))
        for phase, fused in zip(solver.program.all_phases, solver.passes, strict=True)
        for one in fused
    }
    added, names = [], []
    for phase, fused in zip(solver.program.pairs, solver.pair_passes, strict=True):
        listed = []
        for one in fused:
            shared = (
                name for name, text in sorted(known) if text == function(solver, name, one, True)
            )
            name = next(shared, pass_name(phase.name, one))
            if name == pass_name(phase.name, one):
                added.append(function(solver, name, one, True))
            listed.append(name)
        names.append(tuple(listed))
    return "\n\n\n".join(added), tuple(names)


def operand_name(operand: Operand, storage: Storage) -> str:
    """The name of the array that a pass reads."""
    return operand.value if isinstance(operand, Array) else storage.slot(operand)


def formula(one: Pass) -> str:
    """The pass as a formula for its docstring, in the symbols of the module docstring."""
    text = f"{one.target.value} <- Phi x + M0 sum_j ell_j N_j" if one.landing else ""
    if one.sample:
        start = "x <- y" if is_copy(one.sample) else "x <- Phi_0 x + M0_0 sum_j ell_0j N_j"
        text = f"{start}; then {text}"
    parts = [text] if text else []
    parts += [f"keep N_{one.stage}"] if one.stored else []
    parts += ["e <- M0 sum_j (ell_j - ell^_j) N_j"] if one.error else []
    return ", and ".join(parts)


def argument(operand: Operand) -> str:
    """The argument of a pass that holds an array."""
    if isinstance(operand, Array):
        return operand.value
    if operand.kind is Kind.PAST:
        return f"past[{operand.index - 1}]"
    return f"inner[{0 if operand == CURRENT else operand.index}]"
