"""Stages of one step with any order, from supports alone."""

from fractions import Fraction

from solvergen.methods.scheme import CURRENT, END, Node, Stage, back_to, stage


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
        support = (CURRENT, *rung, *back_to(min(available, accuracy - 1))[1:])
        wanted = max(0, accuracy - available)
        positions = _even(wanted)
        if nodes is not None:
            positions = nodes[:wanted]
        start = len(stages) + 1
        stages += [Stage(position, support) for position in positions]
        rung = tuple(stage(start + i) for i in range(wanted))
    support = (CURRENT, *rung, *back_to(min(available, order - 1))[1:])
    return (*stages, Stage(END, support))


def _third_order(nodes: tuple[Fraction, ...]) -> tuple[Stage, ...]:
    """Three evaluations suffice with r_2 = 2/3 (DPM-Solver-3: Lu et al. 2022)."""
    return (
        Stage(nodes[0], (CURRENT,)),
        Stage(nodes[1], (CURRENT, stage(1))),
        Stage(END, (CURRENT, stage(2))),
    )


def _even(count: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(i, count + 1) for i in range(1, count + 1))
