"""The library of schemes: functions that return a Scheme.

Their names stand in ``specification.schemes``.

Why the start-up matters (THEORY section 6): a step with local error O(h^m) that is taken once
leaves O(h^m) in the result, while the main steps leave O(h^p). A run keeps order p if its first
steps have local error O(h^p), so a method of order p - 1 will do. ``ladder`` builds one from
supports alone, for any order and with however many earlier steps there are.

It is the same at the end: closing steps of orders .., 2, 1 (``ramp``) leave O(h^2) where ``full``
steps leave nothing. Samplers take them for large steps down to little noise, where an
extrapolation over the whole history amplifies more than it gains.

That is so where M0 = O(h). With the data integrand at sigma = 0 a landing leaves h^k for its k
nodes, and h^e if a node is an inner stage that is wrong by h^e: M0 wins nothing. ``full`` steps of
``multistep`` and ``unip`` keep their order there, a ramp leaves that of its last step. Methods with
inner stages or predictions lose theirs in all steps near the end, h^(p+1)/tau^m at a distance tau,
so that no number of closing steps keeps it (``solvergen.program.ends``).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from solvergen.errors import SchemeError
from solvergen.methods.bounds import MAX_ITERATIONS, MAX_ORDER, fraction, require
from solvergen.methods.rule import CLASSICAL, FROZEN, INTERPOLATION, Monomial, Rule
from solvergen.methods.scheme import (
    CURRENT,
    END,
    Iteration,
    Node,
    Phase,
    Scheme,
    Stage,
    back_to,
    past,
    stage,
)
from solvergen.methods.starting import ladder
from solvergen.naming import shown

STARTUPS = ("exact", "ramp")
LAST_STEPS = ("full", "ramp")
MULTISTEP_SOURCE = (
    "Hochbruck and Ostermann 2010 (Acta Numerica 19), exponential multistep methods; "
    "Lu et al. 2022b (arXiv:2211.01095); Zhang and Chen 2023 (arXiv:2204.13902)"
)
REVERSIBLE_SOURCE = "Kidger, Foster, Li and Lyons 2021 (arXiv:2105.13493), reversible Heun"
UNIPC_SOURCE = "Zhao et al. 2023 (arXiv:2302.04867)"
SINGLESTEP_SOURCE = (
    "Hochbruck and Ostermann 2010 (Acta Numerica 19), exponential Runge-Kutta methods; "
    "Lu et al. 2022 (arXiv:2206.00927)"
)


def multistep(order: int, startup: str | None = None, last: str = "full") -> Scheme:
    """The k-step method with support {0, -1, .., -(k-1)}: order k in every clock.

    Exponential Adams-Bashforth (Hochbruck and Ostermann 2010); DPM-Solver++ multistep
    (Lu et al. 2022b) with its third-order term right; DEIS tAB (Zhang and Chen 2023) and
    Adams-Bashforth, by the choice of clocks.

    Args:
        order: k >= 1.
        startup: ``exact`` spends extra evaluations in the first steps and keeps order k;
            ``ramp`` starts with orders 1, 2, .. as most samplers do and leaves order 2. If left,
            that of the target: exact, and ramp in the libraries that count steps.
        last: ``full`` ends with order k, ``ramp`` with orders .., 2, 1 and leaves order 2.
    """
    _check_order("multistep", order)
    _check_policies(startup, last)
    main = Phase("main", (Stage(END, back_to(order - 1)),))
    if startup == "ramp":
        first = tuple(Phase(f"start_{n}", (Stage(END, back_to(n)),)) for n in range(order - 1))
    else:
        first = _start(order - 1, order - 1)
    closing = _closing(last, order, lambda name, k: Phase(name, (Stage(END, back_to(k - 1)),)))
    return Scheme(
        f"multistep:{order}{_suffix(startup, last)}", main, first, MULTISTEP_SOURCE, closing
    )


def singlestep(order: int, nodes: Sequence[float | str | Fraction] | None = None) -> Scheme:
    """The singlestep method of order k that reads only its own stages.

    k = 2 is DPM-Solver-2 / ++(2S), k = 3 with its second node at 2/3 is DPM-Solver-3 / ++(3S)
    (Lu et al. 2022). Other second nodes cost one more evaluation, because
    the support {0, r_2} meets the third-order condition mu_2 = r_2 mu_1 only at r_2 = 2/3;
    k >= 4 uses the same construction (``ladder``).

    Args:
        order: k >= 1.
        nodes: the k - 1 distinct inner positions in (0, 1); evenly spaced by default.
    """
    _check_order("singlestep", order)
    if nodes is None:
        main = Phase("main", ladder(order))
        return Scheme(f"singlestep:{order}", main, source=SINGLESTEP_SOURCE)
    inner = tuple(map(fraction, nodes))
    if len(inner) != order - 1 or not all(0 < node < 1 for node in inner):
        raise SchemeError(
            f"singlestep({order}) got nodes {', '.join(map(str, inner)) or 'none'}; expected "
            f"{order - 1} distinct positions strictly between 0 and 1."
        )
    name = f"singlestep:{order}" + (":" + ",".join(map(str, inner)) if inner else "")
    main = Phase("main", ladder(order, nodes=inner))
    return Scheme(name, main, source=SINGLESTEP_SOURCE)


def general_linear(order: int, steps: int = 1) -> Scheme:
    """A general linear method: inner stages that also read ``steps`` earlier steps.

    Every earlier step saves an inner stage on each rung of the ladder (Butcher 2016, Numerical
    Methods for Ordinary Differential Equations, chapter 5; Ostermann, Thalhammer and Wright 2006,
    BIT 46, 409, in the exponential case).

    Args:
        order: k >= 1.
        steps: how many earlier steps are read, below k.
    """
    _check_order("general_linear", order)
    if not 1 <= steps < order:
        raise SchemeError(
            f"general_linear({order}, {steps}): expected 1 to {order - 1} earlier steps for order "
            f"{order}: k nodes have order k, and the start of the step is one of them."
        )
    main = Phase("main", ladder(order, available=steps))
    source = "Butcher 2016, chapter 5; Ostermann, Thalhammer and Wright 2006 (BIT 46, 409)"
    return Scheme(f"general_linear:{order}:{steps}", main, _start(order - 1, steps), source)


def adams_moulton(
    order: int, iterations: int | None = None, tolerance: float | None = None
) -> Scheme:
    """The implicit method with support {1, 0, .., -(k-2)}: order k, by fixed-point iteration.

    k = 1 is backward Euler, k = 2 the trapezoidal rule. In the clock gamma = q these are the
    Adams-Moulton methods (Hairer, Norsett and Wanner 1993, section III.1), in gamma = lambda the
    exponential ones. The predictor has support {0, .., -(k-2)}, and every iteration wins one power
    of h on the implicit equation, y = F(y). An iteration whose landing changes by d leaves the
    residual F(y) - y, which is smaller than d where F contracts.

    Args:
        order: k >= 1.
        iterations: how often the corrector is evaluated, at least once and 2 times by default;
            with a tolerance the most, 20 by default, after which a run stops with an error.
        tolerance: iterate until the landing changes by less than that (``scheme.Iteration``).
    """
    _check_order("adams_moulton", order)
    back = max(order - 2, 0)
    known = back_to(back) if order > 1 else ()
    start = _start(max(order - 1, 1), back)
    source = "Hairer, Norsett and Wanner 1993, section III.1; lecture, implicit methods"
    if tolerance is None:
        count = 2 if iterations is None else iterations
        require("adams_moulton: the number of iterations", count, MAX_ITERATIONS)
        main = Phase("main", _iterated(back_to(back), known, count))
        return Scheme(f"adams_moulton:{order}:{count}", main, start, source)
    iteration = Iteration(tolerance, 20 if iterations is None else iterations)
    main = Phase("main", _iterated(back_to(back), known, 1), iteration=iteration)
    name = f"adams_moulton:{order}:tol={tolerance!r}:{iteration.limit}"
    return Scheme(name, main, start, source)


def pece(order: int) -> Scheme:
    """Predict {0, .., -(k-1)}, evaluate, correct {1, 0, .., -(k-1)}, evaluate: order k + 1.

    Two evaluations a step; k = 1 is Heun's method (Hairer, Norsett and Wanner 1993, section
    III.1; EDM: Karras et al. 2022, arXiv:2206.00364, Algorithm 1). Then nothing earlier is read and
    the predictor, compared with the corrector, estimates the error of an adaptive step.
    """
    _check_order("pece", order, MAX_ORDER - 1)
    support = back_to(order - 1)
    source = "Hairer, Norsett and Wanner 1993, section III.1; Karras et al. 2022 (arXiv:2206.00364)"
    main = Phase("main", _iterated(support, support, 1))
    pair = replace(main, name="pair", estimate=main.stages[0]) if order == 1 else None
    return Scheme(f"pece:{order}", main, _start(order, order - 1), source, pair=pair)


def dpm_12() -> Scheme:
    """DPM-Solver-12: DPM-Solver-2 with r_1 = 1/2, DPM-Solver-1 as estimate.

    Lu et al. 2022, appendix, adaptive step size solver. Both read N_0; two evaluations.
    """
    main = Phase("main", (Stage(Fraction(1, 2), (CURRENT,)), Stage(END, (stage(1),))))
    pair = replace(main, name="pair", estimate=Stage(END, (CURRENT,)))
    return Scheme("dpm_12", main, source=SINGLESTEP_SOURCE, pair=pair)


def dpm_23() -> Scheme:
    """DPM-Solver-23: DPM-Solver-3 with r_1 = 1/3, r_2 = 2/3, DPM-Solver-2 with r_1 as estimate.

    Lu et al. 2022, appendix, adaptive step size solver. The estimate has the weights
    1 - 1/(2 r_1) and 1/(2 r_1) of DPM-Solver-2; three evaluations.
    """
    main = Phase("main", ladder(3))
    pair = replace(main, name="pair", estimate=Stage(END, (CURRENT, stage(1)), CLASSICAL))
    return Scheme("dpm_23", main, source=SINGLESTEP_SOURCE, pair=pair)


def _iterated(
    predictor: tuple[Node, ...], known: tuple[Node, ...], iterations: int
) -> tuple[Stage, ...]:
    """The predictor, then the corrector that reads the latest evaluation at the end."""
    corrected = (Stage(END, (stage(i), *known)) for i in range(1, iterations + 1))
    return (Stage(END, predictor), *corrected)


BASES = {"exact": INTERPOLATION, "bh1": FROZEN, "bh2": CLASSICAL}


def unip(
    order: int, variant: str = "exact", startup: str | None = None, last: str = "full"
) -> Scheme:
    """UniP-p: the predictor of UniPC, support {0, .., -(p-1)} (Zhao et al. 2023).

    B(h) enters at p = 2 alone, where the published code fixes the coefficient to 1/2; everywhere
    else it cancels and the method is the exponential Adams-Bashforth method.

    Args:
        order: p >= 1.
        variant: ``exact`` weights, or those of ``bh1`` or ``bh2``.
        startup: ``exact`` or ``ramp``; if left, that of the target.
        last: ``full`` or ``ramp``.
    """
    _check_order("unip", order)
    _check_policies(startup, last)
    rule = _base("unip", variant)
    main = Phase("main", (_predictor(order, rule),))
    if startup == "ramp":
        first = tuple(Phase(f"start_{n}", (_predictor(n + 1, rule),)) for n in range(order - 1))
    else:
        first = _start(order - 1, order - 1)
    closing = _closing(last, order, lambda name, k: Phase(name, (_predictor(k, rule),)))
    name = f"unip:{order}:{variant}{_suffix(startup, last)}"
    return Scheme(name, main, first, UNIPC_SOURCE, closing)


def unipc(
    order: int, variant: str = "exact", startup: str | None = None, last: str = "full"
) -> Scheme:
    """UniPC-p: UniP-p, and the corrector {1, 0, .., -(p-1)} without another evaluation.

    Order p + 1 (Zhao et al. 2023): the sample that the network has seen is computed
    again with its own N, and the next step starts from there. The last sample is not
    corrected, so the number of evaluations is that of the predictor alone.

    Args:
        order: p >= 1.
        variant: ``exact`` weights, or ``bh1``, ``bh2``: B(h) enters the predictor at p = 2 and the
            corrector at p = 1, where the published code fixes the coefficient to 1/2.
        startup: ``exact``, or ``ramp``: orders 1, 2, .. with correction, as published; if left,
            that of the target.
        last: ``full``, or ``ramp``: predictors of orders .., 2, 1, each after the corrector of the
            order of the predictor before it, as published.
    """
    _check_order("unipc", order, MAX_ORDER - 1)
    _check_policies(startup, last)
    rule = _base("unipc", variant)
    if startup == "ramp":
        first = (
            Phase("start_0", (_predictor(1, rule),)),
            *(_corrected(f"start_{n}", n, n + 1, rule) for n in range(1, order)),
        )
    else:
        first = _start(order, order)
    main = _corrected("main", order, order, rule)
    closing = _closing(last, order, lambda name, k: _corrected(name, k + 1, k, rule))
    name = f"unipc:{order}:{variant}{_suffix(startup, last)}"
    return Scheme(name, main, first, UNIPC_SOURCE, closing)


def reversible() -> Scheme:
    """Reversible Heun: order 2, and a run back that is exact.

    The trapezoidal rule on samples that the network sees, each of which is the one before it
    mirrored at half a step (Kidger et al. 2021, arXiv:2105.13493, without noise),

        z_(n+1) = 2 (Phi x_n + M0 ell_0 N(z_n)) - Phi z_n
        x_(n+1) = Phi x_n + M0 (ell_0 N(z_n) + ell_1 N(z_(n+1))),

    with the weights of {0, 1} in any clocks. Both lines can be solved for (x_n, z_n), which asks
    the network at the same places. It is the leapfrog of z with an average at the end: one
    evaluation a step, and one at the end of the run. z_n - x_n changes its sign from step to step
    and grows by Phi alone, so that it stays what it is where Phi = 1, and explodes where alpha_t /
    alpha_s or sigma_s/sigma_t does.
    """
    first_weight = (Monomial(Fraction(1)), Monomial(Fraction(-1), 1))
    mirrored = Stage(END, (CURRENT,), Rule(rows=(first_weight,)), mirrored=True)
    correction = Stage(Fraction(0), back_to(1), base=past(1))
    average = Stage(END, (CURRENT, stage(1)))
    first, main = Phase("start_0", (mirrored,)), Phase("main", (mirrored,), correction)
    closing = Phase("last_0", (mirrored, average), correction)
    return Scheme("reversible", main, (first,), REVERSIBLE_SOURCE, (closing,))


def _corrected(name: str, corrector: int, predictor: int, rule: Rule) -> Phase:
    """A phase of UniPC: a corrector and a predictor of these orders."""
    support = back_to(corrector)
    used = rule if corrector == 1 else INTERPOLATION
    correction = Stage(Fraction(0), support, used, past(1))
    return Phase(name, (_predictor(predictor, rule),), correction)


def _predictor(order: int, rule: Rule) -> Stage:
    return Stage(END, back_to(order - 1), rule if order == 2 else INTERPOLATION)


def _base(name: str, variant: str) -> Rule:
    if variant not in BASES:
        raise SchemeError(f"{name}: got B(h) {variant!r}, expected one of {', '.join(BASES)}.")
    return BASES[variant]


def _start(order: int, count: int) -> tuple[Phase, ...]:
    """Start-up phases with local error O(h^(order + 1))."""
    return tuple(Phase(f"start_{n}", ladder(order, available=n)) for n in range(count))


def _closing(policy: str, order: int, of_order: Callable[[str, int], Phase]) -> tuple[Phase, ...]:
    """The closing phases of a method of order k: of orders 1 .. k - 1, by the steps left."""
    count = order - 1 if policy == "ramp" else 0
    return tuple(of_order(f"last_{left}", left + 1) for left in range(count))


def _suffix(startup: str | None, last: str) -> str:
    if last != "full":
        return f":{startup or 'exact'}:{last}"
    return "" if startup is None else f":{startup}"


def _check_policies(startup: str | None, last: str) -> None:
    if startup not in (None, *STARTUPS):
        raise SchemeError(f"startup={startup!r}: expected one of {', '.join(STARTUPS)}.")
    if last not in LAST_STEPS:
        raise SchemeError(f"last={last!r}: expected one of {', '.join(LAST_STEPS)}.")


def _check_order(name: str, order: int, bound: int = MAX_ORDER) -> None:
    if not isinstance(order, int) or isinstance(order, bool) or order < 1:
        raise SchemeError(f"{name}({shown(order)}): expected an order 1, 2, 3, ...")
    require(f"{name}: the order", order, bound)
