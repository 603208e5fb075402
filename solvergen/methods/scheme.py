"""Schemes as data: nodes, supports and stages (THEORY section 5).

A step goes from theta = 0 to theta = 1 in the expansion variable. It is a sequence of stages.
Stage i lands at ``position`` theta_i. It starts from the sample at its ``base`` b, the start of
the step if nothing else is said, and reads the integrand at the nodes of its ``support``:

    x_i = Phi(i, b) x_b + M0(i, b) * sum_j ell_j N_j,

with weights ell_j by its ``rule``: interpolation, sum_j r_j^k ell_j = mu_k(i, b), or a row of a
tableau. The last stage lands at 1 and is the next sample; the model is evaluated at every earlier
one.

An implicit method reads the integrand at its own landing. Its last stage does so through the
stage before it, which lies at theta = 1 too, and an ``iteration`` says that the evaluation there
and the landing are repeated until the landing stays what it is.

A phase may carry an ``estimate``: a second landing at theta = 1 that starts from the same sample.
The difference of the two is an estimate of the error. It may also read the integrand at the end
of the step, where the next step begins (first same as last).

A phase may begin with a ``correction``: once N is known at the start of the step, the sample there
is computed again from the previous one with N_0 in its support. The model is not evaluated again
(UniPC: Zhao et al. 2023, arXiv:2302.04867).
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction

from solvergen import naming
from solvergen.algebra.typesetting import paragraphs
from solvergen.errors import SchemeError
from solvergen.methods.bounds import (
    MAX_HISTORY,
    MAX_LANDINGS,
    MAX_LENGTH,
    MAX_REPETITIONS,
    require,
)
from solvergen.methods.rule import INTERPOLATION, Rule, row_text


class Kind(Enum):
    """Where a node's integrand value comes from."""

    CURRENT = "current"
    PAST = "past"
    STAGE = "stage"


@dataclass(frozen=True, order=True)
class Node:
    """A place where the integrand is known: this step's start, an earlier step, or a stage."""

    kind: Kind
    index: int = 0

    def __str__(self) -> str:
        if self.kind is Kind.CURRENT:
            return "0"
        return f"-{self.index}" if self.kind is Kind.PAST else f"stage {self.index}"


CURRENT = Node(Kind.CURRENT)
"""The start of the step."""

END = Fraction(1)
"""theta at the end of the step."""


def past(steps_back: int) -> Node:
    """The start of the step ``steps_back`` steps ago (1 is the previous one)."""
    return Node(Kind.PAST, steps_back)


def stage(index: int) -> Node:
    """The ``index``-th inner stage of this step, counted from 1."""
    return Node(Kind.STAGE, index)


def back_to(steps_back: int) -> tuple[Node, ...]:
    """The support {0, -1, .., -``steps_back``}."""
    return (CURRENT, *(past(j) for j in range(1, steps_back + 1)))


@dataclass(frozen=True)
class Stage:
    """One landing place of a step, where it starts from, and the nodes that it reads.

    A ``mirrored`` one lies opposite to what the network has seen last, x^, about half a landing:
    2 (Phi x_0 + M0 ell_0 N_0) - Phi x^, with ell_0 the weight of node 0 beside another at 1.
    """

    position: Fraction
    support: tuple[Node, ...]
    rule: Rule = INTERPOLATION
    base: Node = CURRENT
    mirrored: bool = False

    def __str__(self) -> str:
        start = "" if self.base == CURRENT else f"<{short(self.base)}"
        mirror = "mirror" if self.mirrored else ""
        return f"{self.position}{start}:{mirror}{{{', '.join(self._weights())}}}{self.rule}"

    def _weights(self) -> tuple[str, ...]:
        if not self.rule.rows:
            return tuple(map(short, self.support))
        return tuple(
            f"{short(node)}: {row_text(row)}"
            for node, row in zip(self.support, self.rule.rows, strict=True)
        )


def short(node: Node) -> str:
    """A node as a scheme's text writes it: ``0``, ``-1``, ``s1``."""
    return f"s{node.index}" if node.kind is Kind.STAGE else str(node)


@dataclass(frozen=True)
class Iteration:
    """When the fixed-point iteration of an implicit stage has come to its end.

    Attributes:
        tolerance: of the change of the landing y by the last iteration, both relative and
            absolute: the root mean square of change / (1 + max(|x|, |y|)), x the sample at the
            start of the step.
        limit: iterations after which an unsolved equation is an error.
    """

    tolerance: float
    limit: int = 20

    def __str__(self) -> str:
        return f"repeat({self.tolerance:g},{self.limit})"


@dataclass(frozen=True)
class Phase:
    """What one step does: its stages in order, the last one at theta = 1.

    Attributes:
        name: of the phase, a Python identifier.
        stages: as they are computed.
        correction: lands at the start of the step, from an earlier one, before the first stage.
        estimate: lands at the end of the step; its difference from the last stage estimates the
            error of that.
        iteration: the last stage is solved by iteration; None for one evaluation after the other.

    Raises:
        SchemeError: a support is empty, repeats a node or a place, or reads a stage that is not
            computed yet; a position is outside (0, 1]; weights are inconsistent; the last stage
            does not land at 1, or is repeated and not implicit.
    """

    name: str
    stages: tuple[Stage, ...]
    correction: Stage | None = None
    estimate: Stage | None = None
    iteration: Iteration | None = None

    def __post_init__(self) -> None:
        if not self.stages or self.stages[-1].position != 1:
            raise SchemeError(
                f"phase {self.name!r} ends at theta = "
                f"{self.stages[-1].position if self.stages else 'nothing'}; expected its last "
                "stage at theta = 1, the end of the step."
            )
        for number, one in enumerate(self.stages, start=1):
            where = f"stage {number} of phase {self.name!r} ({one})"
            self._check_landing(where, number, one)
            self._check_support(where, number, one)
        if self.correction is not None:
            where = f"the correction of phase {self.name!r} ({self.correction})"
            if self.correction.position != 0 or self.correction.base != past(1):
                raise SchemeError(
                    f"{where}: expected a landing at theta = 0 from the previous step, such as "
                    "'0<-1:{0,-1}'."
                )
            self._check_support(where, 1, self.correction)
        if self.estimate is not None:
            self._check_estimate(self.estimate)
        if self.iteration is not None:
            self._check_iteration(self.iteration)

    def _check_estimate(self, one: Stage) -> None:
        where = f"the estimate of phase {self.name!r} ({one})"
        bases = (one.base, self.stages[-1].base)
        if one.position != 1 or bases != (CURRENT, CURRENT):
            raise SchemeError(
                f"{where}: expected a landing at theta = 1 from the start of the step, as the last "
                f"stage ({self.stages[-1]}) has to be."
            )
        if (one.support, one.rule) == (self.stages[-1].support, self.stages[-1].rule):
            raise SchemeError(
                f"{where} is the last stage itself, so that their difference is 0; expected "
                "another support or other weights."
            )
        if self.history:
            raise SchemeError(
                f"{where}: got a phase that reads {self.history} earlier steps; expected one "
                "without history. Adaptive steps of multistep methods are not supported."
            )
        self._check_support(where, len(self.stages) + 1, one)

    def _check_iteration(self, one: Iteration) -> None:
        last = len(self.stages) - 1
        implicit = last > 0 and self.stages[last - 1].position == 1
        if not implicit or stage(last) not in self.stages[last].support:
            raise SchemeError(
                f"phase {self.name!r} repeats its last stage ({self.stages[-1]}), which does not "
                "depend on itself; expected a stage at theta = 1 that reads the one before it, "
                "also at theta = 1, such as '1:{0}; 1:{0,s1}'."
            )
        if not 0 < one.tolerance < 1 or self.estimate is not None:
            raise SchemeError(
                f"phase {self.name!r}: got {one}; expected 0 < tolerance < 1 and no estimate."
            )
        require(f"phase {self.name!r}: the limit of iterations", one.limit, MAX_REPETITIONS)

    def _check_landing(self, where: str, number: int, one: Stage) -> None:
        if one.base.kind is Kind.PAST:
            raise SchemeError(f"{where}: got base {one.base}, expected 0 or an earlier stage.")
        if one.base.kind is Kind.STAGE and not 1 <= one.base.index < number:
            raise SchemeError(f"{where} starts from {one.base}, which is not computed yet.")
        if one.base == CURRENT and not 0 < one.position <= 1:
            raise SchemeError(f"{where}: got position {one.position}, expected 0 < theta <= 1.")
        if not 0 <= one.position <= 1 or one.position == self.place(one.base):
            raise SchemeError(
                f"{where}: got position {one.position} from a base at {self.place(one.base)}; "
                "expected another position, 0 <= theta <= 1."
            )

    def _check_support(self, where: str, number: int, one: Stage) -> None:
        if not one.support:
            raise SchemeError(f"{where}: empty support, expected at least one node such as 0.")
        for node in one.support:
            if node.kind is Kind.STAGE and not 1 <= node.index < number:
                raise SchemeError(
                    f"{where} reads {node}, which is not computed yet; expected stages before "
                    f"{number}."
                )
            if node.kind is Kind.PAST and node.index < 1:
                raise SchemeError(f"{where}: got past index {node.index}, expected 1, 2, ...")
        if not one.mirrored:
            one.rule.check(where, len(one.support))
        elif (one.support, one.base, one.position) != ((CURRENT,), CURRENT, END):
            raise SchemeError(f"{where} is mirrored; expected '1:mirror{{0: ..}}'.")
        places = [node if one.rule.rows else self.place(node) for node in one.support]
        if len(set(places)) < len(places):
            raise SchemeError(
                f"{where} has repeated nodes at {', '.join(map(str, places))}; the Vandermonde "
                "system of its weights is singular. Give every node its own position."
            )

    def place(self, node: Node) -> Fraction:
        """theta of a node, with past steps of equal length standing in for the real ones."""
        if node.kind is Kind.STAGE:
            return self.stages[node.index - 1].position
        return Fraction(-node.index)

    @property
    def history(self) -> int:
        """How many earlier steps the phase reads."""
        return max((node.index for node in self.nodes if node.kind is Kind.PAST), default=0)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Everything that is read, bases included."""
        others = (one for one in (self.correction, self.estimate) if one is not None)
        return tuple(node for one in (*self.stages, *others) for node in (*one.support, one.base))

    @property
    def evaluations(self) -> int:
        """Model evaluations in one step; those of repetitions come on top."""
        return len(self.stages)

    @property
    def text(self) -> str:
        """The landings as ``schemes.get`` reads them."""
        first = [self.correction] if self.correction else []
        last = [one for one in (self.estimate, self.iteration) if one is not None]
        return "; ".join(map(str, (*first, *self.stages, *last)))

    def __str__(self) -> str:
        return f"{self.name}  {self.text}"


@dataclass(frozen=True)
class Scheme:
    """A solver without its clocks.

    Attributes:
        name: as the user types it, e.g. ``multistep:3``.
        main: the phase that every step between the start-up and the closing steps runs.
        startup: ``startup[n]`` is run while only n earlier steps can be read.
        source: the papers that the scheme is from.
        closing: ``closing[m]`` is run when m more steps follow and what it reads is there; in a
            run too short for that the start-up goes on.
        pair: the main step with an estimate of its error, for adaptive steps; None if the scheme
            has no estimate.

    Raises:
        SchemeError: a start-up phase reads more steps than there are, a closing phase more than
            the main phase, or there are fewer start-up phases than the main phase has history; a
            pair without estimate, or one of a scheme with history.
    """

    name: str
    main: Phase
    startup: tuple[Phase, ...] = ()
    source: str = field(default="", compare=False)
    closing: tuple[Phase, ...] = ()
    pair: Phase | None = None

    def __post_init__(self) -> None:
        naming.label("scheme", self.name, SchemeError, MAX_LENGTH)
        if self.source:
            naming.label("source of a scheme", self.source, SchemeError, naming.SOURCE_LENGTH)
        self._check_size()
        self._name_phases()
        if len(self.startup) != self.main.history:
            raise SchemeError(
                f"scheme {self.name!r} reads {self.main.history} earlier steps but has "
                f"{len(self.startup)} start-up phases; expected one for each."
            )
        for available, phase in enumerate(self.startup):
            self._require_kept(phase, phase.history, available)
        replaced = [node.index for node in self.main.stages[-1].support if node.kind is Kind.PAST]
        for phase in (self.main, *self.closing):
            corrected = 1 + max(replaced, default=0) if phase.correction else 0
            self._require_kept(phase, max(phase.history, corrected), self.main.history)
        others = (*self.startup, *self.closing)
        corrects = any(one.correction is not None for one in (self.main, *others))
        if any(one.iteration for one in others) or (self.main.iteration and corrects):
            raise SchemeError(
                f"scheme {self.name!r} repeats a stage of another phase than the main one, or "
                "beside a correction; expected explicit start-up and closing phases."
            )
        if self.pair is not None and (self.pair.estimate is None or self.main.history):
            raise SchemeError(
                f"scheme {self.name!r} has the pair {self.pair} beside a main phase that reads "
                f"{self.main.history} earlier steps; expected a second landing as estimate and no "
                "history. Adaptive steps of multistep methods are not supported."
            )

    def _require_kept(self, phase: Phase, reads: int, kept: int) -> None:
        """Refuse a phase that reads steps that are not there yet, or not kept."""
        if reads > kept:
            why = ", with those of the landing that it corrects" if reads > phase.history else ""
            raise SchemeError(
                f"phase {phase.name!r} of {self.name!r} reads {reads} earlier steps{why}; expected "
                f"{kept} at most, which are kept."
            )

    def _check_size(self) -> None:
        pair = [self.pair] if self.pair else []
        every = (*self.startup, self.main, *self.closing, *pair)
        require("the history", max(one.history for one in every), MAX_HISTORY, least=0)
        for one in every:
            require(f"the number of landings of {one.name}", len(one.stages), MAX_LANDINGS)
        require("the number of phases", len(every), 2 * MAX_HISTORY + 2)

    def _name_phases(self) -> None:
        """Phases are called by their place, because modules have functions of these names."""
        named = {
            "main": replace(self.main, name="main"),
            "startup": tuple(replace(p, name=f"start_{n}") for n, p in enumerate(self.startup)),
            "closing": tuple(replace(p, name=f"last_{m}") for m, p in enumerate(self.closing)),
            "pair": replace(self.pair, name="pair") if self.pair else None,
        }
        for field_name, value in named.items():
            object.__setattr__(self, field_name, value)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """``phases[n]`` is run when n earlier steps can be read; the last one is the main one."""
        return (*self.startup, self.main)

    @property
    def is_reversible(self) -> bool:
        """Whether a run can be solved for where it came from."""
        return self.main.stages[-1].mirrored

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases and then the closing ones."""
        return (*self.phases, *self.closing)

    @property
    def extra_evaluations(self) -> int:
        """Evaluations that the start-up spends beyond the main phase's."""
        return sum(phase.evaluations - self.main.evaluations for phase in self.startup)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return paragraphs(*str(self).splitlines())

    def __str__(self) -> str:
        pair = [self.pair] if self.pair else []
        return "\n".join((self.name, *(f"  {phase}" for phase in (*self.all_phases, *pair))))
