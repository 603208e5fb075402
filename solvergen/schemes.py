"""The library of schemes: functions that return a Scheme.

Why the start-up matters (THEORY section 6): a step with local error O(h^m) that is taken once
leaves O(h^m) in the result, while the main steps leave O(h^p). A run keeps order p if its first
steps have local error O(h^p), so a method of order p - 1 will do. ``ladder`` builds one from
supports alone, for any order and with however many earlier steps there are.
"""

from collections.abc import Sequence
from fractions import Fraction

from solvergen.errors import SchemeError
from solvergen.scheme import CURRENT, Node, Phase, Scheme, Stage, past, stage

END = Fraction(1)
STARTUPS = ("exact", "ramp")


def multistep(order: int, startup: str = "exact") -> Scheme:
    """The k-step method with support {0, -1, .., -(k-1)}: order k in every clock.

    Exponential Adams-Bashforth (Hochbruck and Ostermann 2010, eq. 2.38); DPM-Solver++ multistep
    (Lu et al. 2022b) with its third-order term right; DEIS tAB (Zhang and Chen 2023, eq. 15) and
    Adams-Bashforth, by the choice of clocks.

    Args:
        order: k >= 1.
        startup: ``exact`` spends extra evaluations in the first steps and keeps order k;
            ``ramp`` starts with orders 1, 2, .. as most samplers do and leaves order 2.
    """
    _check_order("multistep", order)
    if startup not in STARTUPS:
        raise SchemeError(f"startup={startup!r}: expected one of {', '.join(STARTUPS)}.")
    main = Phase("main", (Stage(END, _steps(order - 1)),))
    if startup == "ramp":
        first = tuple(
            Phase(f"start_{n}", (Stage(END, _steps(n)),)) for n in range(order - 1)
        )
    else:
        first = tuple(
            Phase(f"start_{n}", ladder(order - 1, available=n)) for n in range(order - 1)
        )
    suffix = "" if startup == "exact" else f":{startup}"
    return Scheme(f"multistep:{order}{suffix}", main, first)


def singlestep(order: int, nodes: Sequence[float | str | Fraction] | None = None) -> Scheme:
    """The singlestep method of order k that reads only its own stages.

    k = 2 is DPM-Solver-2 / ++(2S), k = 3 with its second node at 2/3 is DPM-Solver-3 / ++(3S)
    (Lu et al. 2022, Algorithms 1 and 2). Other second nodes cost one more evaluation, because
    the support {0, r_2} meets the third-order condition mu_2 = r_2 mu_1 only at r_2 = 2/3;
    k >= 4 uses the same construction (``ladder``).

    Args:
        order: k >= 1.
        nodes: the k - 1 distinct inner positions in (0, 1); evenly spaced by default.
    """
    _check_order("singlestep", order)
    if nodes is None:
        return Scheme(f"singlestep:{order}", Phase("main", ladder(order)))
    inner = tuple(Fraction(str(node)) for node in nodes)
    if len(inner) != order - 1 or not all(0 < node < 1 for node in inner):
        raise SchemeError(
            f"singlestep({order}) got nodes {', '.join(map(str, inner)) or 'none'}; expected "
            f"{order - 1} distinct positions strictly between 0 and 1."
        )
    name = ":".join((f"singlestep:{order}", ",".join(map(str, inner)))) if inner else ""
    return Scheme(name or f"singlestep:{order}", Phase("main", ladder(order, nodes=inner)))


def ladder(
    order: int, available: int = 0, nodes: tuple[Fraction, ...] | None = None
) -> tuple[Stage, ...]:
    """Stages of one step with local error O(h^(order + 1)), given ``available`` earlier steps.

    A stage that interpolates q values, each with error O(h^q) or better, has local error
    O(h^(q+1)): M0 = O(h) wins one power. So rung q consists of the inner points that rung q + 1
    needs beside the earlier steps and the start, q - available of them, and the last rung is
    the end of the step.
    """
    if order == 3 and available == 0:
        inner = nodes or (Fraction(1, 3), Fraction(2, 3))
        if inner[1] == Fraction(2, 3):
            return _third_order(inner)
    stages: list[Stage] = []
    rung: tuple[Node, ...] = ()
    for accuracy in range(1, order):
        support = (CURRENT, *rung, *_steps(min(available, accuracy - 1))[1:])
        wanted = max(0, accuracy - available)
        positions = _even(wanted)
        if nodes is not None:
            positions = nodes[:wanted]
        start = len(stages) + 1
        stages += [Stage(position, support) for position in positions]
        rung = tuple(stage(start + i) for i in range(wanted))
    support = (CURRENT, *rung, *_steps(min(available, order - 1))[1:])
    return (*stages, Stage(END, support))


def _third_order(nodes: tuple[Fraction, ...]) -> tuple[Stage, ...]:
    """Three evaluations suffice with r_2 = 2/3 (Lu et al. 2022, Algorithm 2)."""
    return (
        Stage(nodes[0], (CURRENT,)),
        Stage(nodes[1], (CURRENT, stage(1))),
        Stage(END, (CURRENT, stage(2))),
    )


def _steps(back: int) -> tuple[Node, ...]:
    """{0, -1, .., -back}."""
    return (CURRENT, *(past(j) for j in range(1, back + 1)))


def _even(count: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(i, count + 1) for i in range(1, count + 1))


def _check_order(name: str, order: int) -> None:
    if not isinstance(order, int) or order < 1:
        raise SchemeError(f"{name}({order!r}): expected an order 1, 2, 3, ...")


def get(text: str) -> Scheme:
    """The scheme that ``text`` says, as the command line does.

    Args:
        text: ``multistep:K``, ``multistep:K:ramp``, ``singlestep:K`` or
            ``singlestep:K:r_1,r_2,..``.
    """
    family, _, rest = text.strip().partition(":")
    order, _, option = rest.partition(":")
    if family in ("multistep", "singlestep") and order.isdecimal():
        if family == "multistep":
            return multistep(int(order), option or "exact")
        return singlestep(int(order), option.split(",") if option else None)
    raise SchemeError(
        f"unknown scheme {text!r}; expected multistep:K, multistep:K:ramp, singlestep:K or "
        "singlestep:K:r1,r2,.. with an order K >= 1."
    )


def names() -> tuple[str, ...]:
    """The forms that ``get`` reads."""
    return ("multistep:K", "multistep:K:ramp", "singlestep:K", "singlestep:K:r1,r2,..")
