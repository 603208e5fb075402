"""Spells what the steps of all phases have in common: computed once, for all steps of a run.

A run in several phases, a start-up and the main steps, reads the same of each step from s to t: its
length, A and B at its start, Phi, M0, means over it. The function

    _steps(t, s)      h, A, B, Phi, M0, nu, int q', mu_1, mu_2, ..: those that some phase reads

is called once on the whole grid, and each phase is given its own steps and those before them. Where
only lengths are read there is no such function, and h itself is given.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from sympy import Expr

from solvergen.algebra.numpy_code import items_code
from solvergen.program.program import StepProgram
from solvergen.scalars.formulas import Formulas
from solvergen.targets.calls import Calls, reads_eta
from solvergen.targets.formulas import ARRAYS, INDENT
from solvergen.targets.products import says, unpacked
from solvergen.targets.rows import PhasePrinter

ORDER = ("h", "a", "b", "phi", "m", "nu", "mass")


@dataclass(frozen=True)
class StepScalars:
    """What phases are given of steps.

    Attributes:
        formulas: of the module.
        names: of the scalars of a step, in the order of ``_steps``.
        numbered: whether phases are called by their number, all in one way.
        reads_past: whether a phase reads the times of earlier steps.
        reads_eta: whether one reads eta.
    """

    formulas: Formulas
    names: tuple[str, ...]
    numbered: bool
    reads_past: bool
    reads_eta: bool

    @classmethod
    def of(cls, formulas: Formulas, program: StepProgram, phases: Sequence[PhasePrinter]) -> Self:
        """What the functions of these phases read."""
        backs = [(one, back) for one in phases for back in range(len(one.times) - 1)]
        found = {name for one, back in backs for name in _read(one, back)}
        if found & {"a", "b"}:  # one function returns those that are no numbers
            pairs = zip("ab", formulas.conversion.forms, strict=True)
            found |= {name for name, form in pairs if not form.is_number}
        has_means = any(one.startswith("mu_") for one in found)
        means = (f"mu_{k}" for k in range(1, Calls(formulas).means_given + 1))
        names = (*(one for one in ORDER if one in found), *(means if has_means else ()))
        read = {one for phase in phases for one in phase.reads}
        reads_past = any(one in read for phase in phases for one in phase.times[2:])
        return cls(formulas, names, is_numbered(formulas, program), reads_past, "eta" in read)

    @property
    def is_length(self) -> bool:
        """Whether only lengths are given."""
        return self.names == ("h",)

    # In the function of a phase

    def arguments(self, phase: PhasePrinter) -> tuple[str, ...]:
        """The times, and the steps and lengths, the latest first: those that are read."""
        steps = [self._argument(phase, back) for back in range(len(phase.times) - 1)]
        if self.numbered:
            return (*(phase.times if self.reads_past else phase.times[:2]), *steps)
        times = (one for one in phase.times if one in phase.reads)
        return (*times, *(one for back, one in enumerate(steps) if _read(phase, back)))

    def _argument(self, phase: PhasePrinter, back: int) -> str:
        """``step``, or the length of one before if nothing else of it is read."""
        is_earlier = back > 0 and not self.numbered
        only_length = is_earlier and not _read(phase, back).keys() - {"h"}
        name = "h" if self.is_length or only_length else "step"
        return f"{name}_{back}" if back else name

    def unpacked(self, phase: PhasePrinter) -> Iterator[str]:
        """Statements that give what a phase reads of steps its names."""
        for back in range(len(phase.times) - 1):
            argument, read = self._argument(phase, back), _read(phase, back)
            names = [read.get(name, "_") for name in self.names]
            while names and names[-1] == "_":
                names.pop()
            if names and argument.startswith("step"):
                yield f"{unpacked(names, len(self.names))} = {argument}"

    # In the module

    def call(self, end: str, start: str, eta: str = "") -> str:
        """What is given of the steps between these times."""
        if self.is_length:
            return Calls(self.formulas).gap(end, start)
        return f"_steps({end}, {start}{', ' + eta if self._eta else ''})"

    @property
    def name(self) -> str:
        """Of what is called for all steps of a run."""
        return "h" if self.is_length else "step"

    def part(self, argument: str, where: str) -> str:
        """An argument for some steps, of what was computed for all."""
        if argument.startswith("h") and not self.is_length:
            return f"step[0, {where}]"
        if where == ":":
            return self.name
        return f"h[{where}]" if self.is_length else f"step[:, {where}]"

    @cached_property
    def _eta(self) -> tuple[str, ...]:
        """The argument that says eta, if one of the scalars reads it."""
        formulas = self.formulas
        forms = {
            "phi": formulas.integrating_factor,
            "m": formulas.zeroth_moment,
            "nu": formulas.spread,
            "mu_1": formulas.stretch,
        }
        read = (form for name, form in forms.items() if name in self.names)
        return next(filter(None, map(reads_eta, read)), ())

    @property
    def _conversions(self) -> list[Expr]:
        """A and B, if they are among the scalars."""
        pairs = zip("ab", self.formulas.conversion.forms, strict=True)
        return [form for name, form in pairs if name in self.names]

    def function(self) -> str:
        """``_steps``; empty where it is not called."""
        if self.is_length:
            return ""
        calls, names = Calls(self.formulas), self.names
        lines, items = [], ["h"] if "h" in names else []
        has_means = any(one.startswith("mu_") for one in names)
        items += ["*_conversion(s)"] if {"a", "b"} & {*names} else []
        items += [calls.factor("t", "s")] if "phi" in names else []
        means, of_interval = calls.means("t", "s", "h"), "h"
        if self.formulas.integrals.mass and (has_means or calls.reads_mass or "mass" in names):
            lines.append(f"mass, {'*means' if calls.means_given else '*_'} = {means}")
            means, of_interval = "means", "mass" if calls.reads_mass else "h"
        items += [calls.moment("t", "s", of_interval)] if "m" in names else []
        items += [calls.spread("t", "s", "h")] if "nu" in names else []
        items += ["mass"] if "mass" in names else []
        items += [f"*{means}"] if has_means else []
        returned = f"np.array([{', '.join(items)}])"
        if not all(form.free_symbols & ARRAYS for form in self._conversions):
            returned = f"np.array(np.broadcast_arrays({', '.join(items)}))"
        reads = re.findall(r"\bh\b", returned)
        if len(reads) == 1 and "h" in names:
            returned = re.sub(r"\bh\b", calls.gap("t", "s"), returned)
        elif reads:
            lines.insert(0, f"h = {calls.gap('t', 's')}")
        body = f"\n{INDENT}".join([says(self._says), *lines, f"return {returned}"])
        return f"def _steps({', '.join(('t', 's', *self._eta))}):\n{INDENT}{body}"

    @property
    def _says(self) -> str:
        return f"What phases read of a step from s to t: {items_code(self.names).rstrip(',')}."


def are_given(formulas: Formulas, program: StepProgram) -> bool:
    """Whether phases are given what is known of steps: where a run has several, and no step starts
    elsewhere after noise is raised, nor is taken alone."""
    phases = formulas.phases
    return len(phases) > 1 and not program.raises and not any(one.error for one in phases)


def is_numbered(formulas: Formulas, program: StepProgram) -> bool:
    """Whether a run calls the functions of its phases by their number."""
    return bool(program.closing or formulas.table.variants)


def _read(phase: PhasePrinter, back: int) -> dict[str, str]:
    """The names of what a phase reads of the step so far back, by what it is."""
    return {name: own for name, own in phase.of_step(back).items() if own in phase.reads}
