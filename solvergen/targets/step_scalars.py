"""Spells what the steps of all phases have in common: computed once, for all steps of a run.

A run in several phases, a start-up and the main steps, reads the same of each step from s to t: its
length, A and B at its start, Phi, M0, means over it. The function

    _steps(t, s)      h, A, B, Phi, M0, nu, int q', mu_1, mu_2, ..: those that some phase reads

is called once on the whole grid, and each phase is given its own steps and those before them. Where
only lengths are read there is no such function, and h itself is given.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from sympy import Expr, Symbol

from solvergen.algebra.numpy_code import items_code
from solvergen.program.program import StepProgram
from solvergen.scalars.conversion import SLOPES
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.integrated import MASS
from solvergen.scalars.lengths import GAP, KAPPA, H
from solvergen.symbols import alpha, alpha_s, sigma, sigma_s, t
from solvergen.targets.calls import Calls, reads_eta
from solvergen.targets.end_values import is_falling, values_at_ends
from solvergen.targets.formulas import ARRAYS, INDENT, Spelling
from solvergen.targets.products import says, unpacked
from solvergen.targets.rows import PhasePrinter
from solvergen.targets.steps import CALLS, LONG, called

ORDER = ("h", "a", "b", "phi", "m", "nu", "mass")
FUNCTIONS = {"_length", "_gap", "_factor", "_moment", "_nu", "_means", "_end_density", "_inner"}
"""Those of a step that a phase may call."""
LENGTH = Symbol("length")
"""lambda_t - lambda_s beside another gamma."""


@dataclass(frozen=True)
class StepScalars:
    """What phases are given of steps.

    Attributes:
        formulas: of the module.
        names: of the scalars of a step, in the order of ``_steps``.
        numbered: whether phases are called by their number, all in one way.
        reads_past: whether a phase reads the times of earlier steps.
        reads_eta: whether one reads eta.
        own: the functions of a step that no phase calls, and that ``_steps`` spells itself, with
            alpha and sigma computed once.
        calls_alone: whether no phase calls functions of a step.
    """

    formulas: Formulas
    names: tuple[str, ...]
    numbered: bool
    reads_past: bool
    reads_eta: bool
    own: frozenset[str]
    calls_alone: bool

    @classmethod
    def of(cls, formulas: Formulas, program: StepProgram, phases: Sequence[PhasePrinter]) -> Self:
        """What the functions of these phases read."""
        backs = [(one, back) for one in phases for back in range(len(one.times) - 1)]
        found = {name for one, back in backs for name in _read(one, back)}
        found |= {name for one in phases for names in one.parts.values() for name in names}
        if found & {"a", "b"}:  # one function returns those that are no numbers
            pairs = zip("ab", formulas.conversion.forms, strict=True)
            found |= {name for name, form in pairs if not form.is_number}
        has_means = any(one.startswith("mu_") for one in found)
        means = (f"mu_{k}" for k in range(1, Calls(formulas).means_given + 1))
        names = (*(one for one in ORDER if one in found), *(means if has_means else ()))
        read = {one for phase in phases for one in phase.reads}
        reads_past = any(one in read for phase in phases for one in phase.times[2:])
        own = _closed(formulas) - read
        if "_moment" in own and has_means and _are_one_quadrature(formulas):
            own |= {"_length"} if not read & {"_means", "_length", "_inner"} else set()
        numbered = is_numbered(formulas, program)
        alone = not read & FUNCTIONS
        return cls(formulas, names, numbered, reads_past, "eta" in read, frozenset(own), alone)

    @property
    def is_length(self) -> bool:
        """Whether only lengths are given."""
        return self.names == ("h",)

    # In the function of a phase

    def arguments(self, phase: PhasePrinter) -> tuple[str, ...]:
        """The times, and the steps and lengths, the latest first: those that are read."""
        steps = [self.argument(phase, back) for back in range(len(phase.times) - 1)]
        if self.numbered:
            return (*(phase.times if self.reads_past else phase.times[:2]), *steps)
        times = [one for one in phase.times if one in phase.reads]
        times += [one for one in phase.inner.values() if phase.has_parts]
        read = (one for back, one in enumerate(steps) if _read(phase, back))
        return (*times, *read, *(["parts"] if phase.parts else []))

    def argument(self, phase: PhasePrinter, back: int) -> str:
        """``step``, or the length of one before if nothing else of it is read."""
        is_earlier = back > 0 and not self.numbered
        only_length = is_earlier and not _read(phase, back).keys() - {"h"}
        name = "h" if self.is_length or only_length else "step"
        return f"{name}_{back}" if back else name

    def unpacked(self, phase: PhasePrinter) -> Iterator[str]:
        """Statements that give what a phase reads of steps its names."""
        for back in range(len(phase.times) - 1):
            argument, read = self.argument(phase, back), _read(phase, back)
            if read and argument.startswith("step"):
                yield f"{self._names(read)} = {argument}"
        for n, read in enumerate(phase.parts.values()):
            yield f"{self._names(read)} = parts[:, {n}:{n + 1}]"

    def _names(self, read: dict[str, str]) -> str:
        """What the scalars of a step are unpacked into, up to the last one that is read."""
        names = [read.get(name, "_") for name in self.names]
        while names[-1] == "_":
            names.pop()
        return unpacked(names, len(self.names))

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

    def _own(self) -> tuple[list[str], dict[str, str]]:
        """Statements, and the code of A and B, Phi and M0 after them, if they are no calls."""
        forms: dict[str, Expr] = {}
        if "_conversion" in self.own:
            pairs = zip("ab", self.formulas.conversion.forms, strict=True)
            forms |= {
                name: form.xreplace({alpha: alpha_s, sigma: sigma_s})
                for name, form in pairs
                if name in self.names
            }
        if "_factor" in self.own and "phi" in self.names:
            forms["phi"] = self.formulas.integrating_factor
        if "_moment" in self.own and "m" in self.names:
            forms |= dict(zip(("m", "rising"), _moments(self.formulas), strict=False))
        lines, codes = _spelled(self.formulas, [*forms.values()])
        found = dict(zip(forms, codes, strict=True))
        if any(one.has(LENGTH) for one in forms.values()) and "_length" not in self.own:
            lines.insert(0, f"{LENGTH} = _length(t, s)")
        if "rising" in found:
            both = f"{found['m']}, {found.pop('rising')}"
            lines.append(f"m = np.where({is_falling(self.formulas)}, {both})")
            found["m"] = "m"
        return lines, found

    def function(self) -> str:
        """``_steps``; empty where it is not called."""
        if self.is_length:
            return ""
        calls, names = Calls(self.formulas), self.names
        (lines, spelled), items = self._own(), ["h"] if "h" in names else []
        has_means = any(one.startswith("mu_") for one in names)
        if "_conversion" in self.own:
            items += [spelled[one] for one in "ab" if one in names]
        else:
            items += ["*_conversion(s)"] if {"a", "b"} & {*names} else []
        items += [spelled.get("phi", calls.factor("t", "s"))] if "phi" in names else []
        means, of_interval = calls.means("t", "s", "h"), "h"
        if self.formulas.integrals.mass and (has_means or calls.reads_mass or "mass" in names):
            lines.insert(0, f"mass, {'*means' if calls.means_given else '*_'} = {means}")
            means, of_interval = "means", "mass" if calls.reads_mass else "h"
        if "_length" in self.own:
            lines.insert(0, f"length, *means = {means}")
            means = "means"
        items += [spelled.get("m", calls.moment("t", "s", of_interval))] if "m" in names else []
        items += [calls.spread("t", "s", "h")] if "nu" in names else []
        items += ["mass"] if "mass" in names else []
        items += [f"*{means}"] if has_means else []
        returned = f"np.array([{', '.join(items)}])"
        if not all(form.free_symbols & ARRAYS for form in self._conversions):
            returned = f"np.array(np.broadcast_arrays({', '.join(items)}))"
        reads = re.findall(r"\bh\b", "\n".join([*lines, returned]))
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


def _closed(formulas: Formulas) -> set[str]:
    """The functions of a step that have a formula in alpha, sigma and lengths alone."""
    of_time = any(one.has(t, *SLOPES) for one in formulas.conversion.forms)
    found = {"_moment"} if of_time else {"_moment", "_conversion"}
    return found if formulas.integrating_factor is None else {*found, "_factor"}


def _are_one_quadrature(formulas: Formulas) -> bool:
    """Whether lambda_t - lambda_s, which only M0 reads, comes with the means over the step."""
    found, reads = formulas.integrals, formulas.zeroth_moment.has(H)
    if formulas.is_noisy or not formulas.is_time or formulas.is_half_log_snr or found.mass:
        return False
    return reads and found.moments and formulas.lengths.half_log_snr is None


def _moments(formulas: Formulas) -> tuple[Expr, ...]:
    """M0, and M0 of a step to larger lambda if it has another form, in h as ``_steps`` has it."""
    names = {GAP: Symbol("h"), MASS: Symbol("mass")}
    if not formulas.is_half_log_snr:
        names[H] = LENGTH
    forms = dict.fromkeys((formulas.zeroth_moment, formulas.rising_moment))
    return tuple(one.xreplace(names) for one in forms)


def _spelled(formulas: Formulas, forms: list[Expr]) -> tuple[list[str], list[str]]:
    """Statements, those of alpha and sigma at the ends of steps first, and formulas after them."""
    spelling = Spelling(formulas.schedule.parameters)
    forms = [called(one, {KAPPA: CALLS[KAPPA]}) for one in forms]
    parts, left = spelling.in_parts(*forms, longest=LONG)
    return [*values_at_ends(forms), *parts], list(map(spelling.code, left))


def for_phases(
    formulas: Formulas, program: StepProgram, phases: list[PhasePrinter]
) -> tuple[StepScalars, list[PhasePrinter]]:
    """What phases that are given their steps read of them, and the phases with what they are given
    of the parts of a step."""
    given = StepScalars.of(formulas, program, phases)
    parted = _with_parts(given, program, phases)
    return (given if parted is phases else StepScalars.of(formulas, program, parted)), parted


def _with_parts(
    given: StepScalars, program: StepProgram, phases: list[PhasePrinter]
) -> list[PhasePrinter]:
    """The phases, of which a start-up is given what is known of the parts of its first step.

    That is taken once in a run, and so its parts are a few steps more of those that are computed
    at once. Noise has its own parts, and a run by numbers does not know its first step.
    """
    first, *others = phases
    if given.numbered or given.formulas.is_noisy or len(program.phases) < 2:
        return phases
    few = {"h", "a", "b"} if given.formulas.is_time else {"h"}  # which are computed as fast alone
    return (
        phases
        if {*given.names} <= few or not first.inner
        else [replace(first, has_parts=True), *others]
    )


def _read(phase: PhasePrinter, back: int) -> dict[str, str]:
    """The names of what a phase reads of the step so far back, by what it is."""
    return {name: own for name, own in phase.of_step(back).items() if own in phase.reads}
