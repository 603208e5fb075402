"""A lecture on numerical solvers, recomputed: every formula derived, every number measured.

    python examples/lecture.py lecture.html       (a minute; --quick without what takes long)

What it says of diffusion and flow matching, of numerical methods, of DPM-Solver and of sampling
schedules is derived here from alpha and sigma, and the program stops where a formula is not so.
The lecture writes alpha_t for the *squared* signal coefficient of VP; here that is A.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sympy
from sympy import Expr, Function, Rational, Symbol, diff, simplify, sqrt

import solvergen as sg
from solvergen.algebra.typesetting import Product, Spelled, Total, relation
from solvergen.closed_forms.antiderivatives import moment_antiderivative
from solvergen.closed_forms.taylor import taylor_integral
from solvergen.measurement import problems
from solvergen.program.lowering import lower
from solvergen.program.order import EVEN, report
from solvergen.program.stability import error_constants, real_interval
from solvergen.reports import comparison, html, update
from solvergen.reports.document import Equation, Equations, Figure, Paragraph, Section, Table
from solvergen.reports.pictures import as_svg, new_figure, styled
from solvergen.symbols import s, t

x, eps, x0, score = Symbol("x"), Symbol("eps"), Symbol("x_0"), Symbol("S")
A, A_t, A_s = (Symbol(name, positive=True) for name in ("A", "A_t", "A_s"))


def require(claim: Expr, what: str) -> None:
    """Stop where a formula of the lecture is not what is derived."""
    if simplify(sympy.expand(claim)) != 0:
        raise AssertionError(f"{what}: {claim} is not 0")


def shown(text: str, formula: str) -> Spelled:
    """A formula that is only shown."""
    return Spelled(text, formula)


# 1


def flow_matching() -> Section:
    """DM = FM."""
    rf = sg.schedules.rectified_flow()
    ode = (rf.f * x + rf.g_squared / (2 * rf.sigma) * eps).subs(x, rf.alpha * x0 + rf.sigma * eps)
    require(ode - (eps - x0), "the ODE of flow matching")
    a, b = Function("alpha")(t), Function("sigma")(t)
    f = diff(a, t) / a
    g_squared = diff(b**2, t) - 2 * f * b**2
    general = f * (a * x0 + b * eps) + g_squared / (2 * b) * eps
    require(general - diff(a, t) * x0 - diff(b, t) * eps, "the flow of any schedule")
    return Section(
        "DM = FM",
        (
            Paragraph((
                "Flow matching declares ", relation("=", x, Total((1 - t) * x0, t * eps)),
                ". That is alpha = 1 - t and sigma = t, so that",
            )),
            Equations((
                Equation(Function("f")(t), rf.f, note="alpha'/alpha"),
                Equation(Function("g")(t) ** 2, rf.g_squared, note="(sigma^2)' - 2 f sigma^2"),
                Equation(shown("dx/dt", r"\frac{dx}{dt}"), Total(eps, -x0),
                         note="f x - g^2/2 score, the velocity"),
            )),
            Paragraph((
                "The same holds for every schedule, with alpha and sigma left as functions: the "
                "probability-flow ODE is ", shown("dx/dt = alpha' x_0 + sigma' eps",
                r"\frac{dx}{dt}=\dot\alpha\,\hat x_0+\dot\sigma\,\hat\varepsilon"),
                ". Every diffusion model is a flow-matching model of its own schedule; the "
                "lecture's statement is the case 1 - t, t.",
            ), boxed=True),
        ),
    )  # fmt: skip


# 2


def processes() -> Section:
    """The table of four rows, each derived from its first column."""
    a = Function("A")(t)
    f = simplify(diff(sqrt(a), t) / sqrt(a))
    g_squared = simplify(diff(1 - a, t) - 2 * f * (1 - a))
    require(f * x - g_squared / 2 * score - (x + score) * diff(a, t) / (2 * a), "VP")
    ve, rf = sg.schedules.ve(), sg.schedules.rectified_flow()
    require(ve.f * x - ve.g_squared / 2 * score + t * score, "VE")
    require(rf.f * x - rf.g_squared / 2 * score + (x + t * score) / (1 - t), "FM")
    rows = (
        ("general", r"\alpha_tx_0+\sigma_tz", r"\dot x=fx-\tfrac12g^2S",
         r"f=\tfrac{\dot\alpha}{\alpha},\ g^2=(\sigma^2)'-2f\sigma^2",
         r"-\tfrac{x-\alpha\hat x_0}{\sigma^2}"),
        ("VP", r"\sqrt{A_t}\,x_0+\sqrt{1-A_t}\,z", r"dx=\tfrac{1}{2A}[x+S]\,dA",
         r"f=\tfrac{\dot A}{2A},\ g^2=-\tfrac{\dot A}{A}",
         r"-\tfrac{x-\sqrt{A}\,\hat x_0}{1-A}"),
        ("VE", r"x_0+tz", r"\dot x=-t\,S", r"f=0,\ g^2=2t", r"-\tfrac{x-\hat x_0}{t^2}"),
        ("FM", r"(1-t)x_0+tz", r"\dot x=-\tfrac{x+tS}{1-t}",
         r"f=-\tfrac{1}{1-t},\ g^2=\tfrac{2t}{1-t}", r"-\tfrac{x-(1-t)\hat x_0}{t^2}"),
    )  # fmt: skip
    return Section(
        "the table of processes",
        (
            Paragraph(("S is the score, the gradient of log p_t. Each row is derived from its "
                       "first column and compared with the lecture's.",)),
            Table(
                (("process",), ("x_t",), ("ODE",), ("drift and diffusion",), ("score",)),
                tuple(((name,), *((shown(one, one),) for one in cells)) for name, *cells in rows),
            ),
        ),
    )  # fmt: skip


# 3


def posterior_mean() -> Section:
    """The conditional expectation of digits, coarse to fine."""
    digits, smoothed = problems.digits(0.0), problems.digits(0.003)
    solver = sg.Solver("rectified_flow", "flow", "data", "time", "multistep:3")
    module, network = sg.compile(solver, "numpy"), problems.model(smoothed, solver)
    seen: list[tuple[float, np.ndarray]] = []

    def recorded(sample: np.ndarray, time: float) -> np.ndarray:
        seen.append((float(time), sample.copy()))
        return network(sample, float(time))

    start = np.random.default_rng(3).standard_normal((6, 64))
    last = module.sample(recorded, start, module.timesteps(24, "time"))
    wanted = [min(seen, key=lambda one, at=at: abs(one[0] - at))
              for at in (0.96, 0.88, 0.8, 0.7, 0.6, 0.48, 0.32, 0.15)]  # fmt: skip
    means = [digits.posterior_mean(sample, 1 - at, at) for at, sample in wanted]
    counts = (float(f"{_averaged(digits, sample, at):.3g}") for at, sample in wanted)
    averaged = ", ".join(f"{one:g}" for one in counts)
    with styled():
        figure = new_figure(7.6, 2.1)
        axes = figure.subplots(2, len(wanted) + 1)
        for row, images in enumerate(([one for _, one in wanted], means)):
            for place, image in zip(axes[row], (*images, last), strict=True):
                place.imshow(image[0].reshape(8, 8), cmap="gray", vmin=-1.2, vmax=1.2)
        for place, (at, _) in zip(axes[0], wanted, strict=False):
            place.set_title(f"$t={at:.2f}$", fontsize=9.5)
        axes[0, -1].set_title("sample", fontsize=9.5)
        for place in axes.flat:
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
        picture = as_svg(figure)
    mean = shown(
        "E[x_0 | x_t = x] = sum_j x_0^j N(x | alpha x_0^j, sigma^2)/sum_j ..",
        r"\frac{\sum_j x_0^j\,\mathcal N(x\mid\alpha_tx_0^j,\sigma_t^2)}"
        r"{\sum_j\mathcal N(x\mid\alpha_tx_0^j,\sigma_t^2)}",
    )
    return Section(
        "conditional expectation",
        (
            Paragraph(("With the empirical distribution of the data Bayes' rule gives the best "
                       "denoiser in closed form, a softmax over the data:",)),
            Equations((Equation(shown("x_0(x, t)", r"\mathbb E[x_0\mid x_t=x]"), mean),), True),
            Figure(picture, "noisy digits above their conditional expectations, from t = 0.96",
                   ("Above a sampled path, below its conditional expectation: less and less is "
                    f"averaged. Mean number of digits in it, of 1797: {averaged}.",)),
        ),
    )  # fmt: skip


def _averaged(digits: problems.GaussianMixture, sample: np.ndarray, at: float) -> float:
    """e to the entropy of the softmax, the number of digits that are averaged."""
    gaps = ((sample[:, None] - (1 - at) * digits.means) ** 2).sum(-1) / (2 * at**2)
    weights = np.exp(gaps.min(1, keepdims=True) - gaps)
    weights /= weights.sum(1, keepdims=True)
    return float(np.exp(-(weights * np.log(weights + 1e-300)).sum(1)).mean())


# 4

METHODS = {
    "euler": "singlestep, explicit",
    "midpoint": "singlestep, explicit",
    "heun": "singlestep, explicit",
    "rk4": "singlestep, explicit",
    "trapezoidal:tol=1e-12": "singlestep, implicit",
    "multistep:2": "multistep, explicit (AB2)",
    "multistep:3": "multistep, explicit (AB3)",
    "multistep:4": "multistep, explicit (AB4)",
    "adams_moulton:3:tol=1e-12": "multistep, implicit (AM3)",
}
MIXTURE = problems.GaussianMixture(np.ones(2), np.array([[-1.0], [2.0]]), np.array([0.3, 0.3]))


def methods() -> Section:
    """Euler to Adams-Moulton, local and global errors."""
    found = [_measured(name, kind) for name, kind in METHODS.items()]
    return Section(
        "numerical solution of ODEs",
        (
            Paragraph(("The error of one step is exact; the global one is proved on power series "
                       "and measured on a mixture of two Gaussians whose flow is known, from "
                       "t = 0.9 to 0.1 in 160 to 640 steps of ", relation("=", Symbol("alpha"),
                       1 - t), ", ", relation("=", Symbol("sigma"), t), ". Implicit equations are "
                       "solved by fixed-point iteration, to 1e-12 in 20 evaluations: that bounds "
                       "how far they are stable.")),
            Table((("method",), ("kind",), ("error of a step",), ("order, proved",),
                   ("slope, measured",), ("evaluations a step",), ("stable to",)), tuple(found)),
            Paragraph(("Adams-Bashforth from moments: the weights solve ", shown(
                "sum_j r_j^k ell_j = mu_k = 1/(k + 1)",
                r"\sum_j r_j^k\ell_j=\mu_k=\tfrac{1}{k+1}"), " at ", shown(
                "r = 0, -1, -2, ..", r"r=0,-1,-2,\dots"), ":")),
            Equations(tuple(_adams_bashforth(count) for count in (1, 2, 3, 4))),
            Paragraph(("Singlestep and multistep methods differ only in where the derivative comes "
                       "from, an inner point of the step or the steps before: one costs two "
                       "evaluations, the other one.",), boxed=True),
        ),
    )  # fmt: skip


def _measured(name: str, kind: str) -> tuple:
    solver = sg.Solver("rectified_flow", "flow", "flow", "time", name)
    module, network = sg.compile(solver, "numpy"), problems.model(MIXTURE, solver)
    points = np.linspace(-2, 2, 9)[:, None]
    exact = MIXTURE.exact_flow(points, (0.1, 0.9), (0.9, 0.1))
    calls, errors = 0, []

    def counted(sample: np.ndarray, time: float) -> np.ndarray:
        nonlocal calls
        calls += 1
        return network(sample, float(time))

    counts = (160, 320, 640)
    for steps in counts:
        times = np.linspace(0.9, 0.1, steps + 1)
        calls = 0
        errors.append(np.abs(module.sample(counted, points, times) - exact).max())
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    program = lower(sg.schemes.get(name))
    p = report(program, same_clock=True, ratios=EVEN).main
    constants = error_constants(program, p)
    constant = constants.quadrature or constants.linear
    reach = real_interval(program)
    return (
        (name.partition(":tol")[0],), (kind,),
        (update.rational(constant) * Symbol("h") ** (p + 1),), (str(solver.order),),
        (f"{slope:.2f}",), (f"{calls / counts[-1]:.1f}",),
        (f"-{reach:.3g}" if reach < 99 else "all of it",),
    )  # fmt: skip


def _adams_bashforth(count: int) -> Equation:
    """From the formulas of the weights of multistep:K on equal steps."""
    program = sg.Solver("rectified_flow", "flow", expansion="time",
                        scheme=f"multistep:{count}").program  # fmt: skip
    landing = update.landings(program.main)[-1]
    even = {update.ratio(j): 1 for j in range(1, 5)}
    even |= {update.mean(k): Rational(1, k + 1) for k in range(1, 5)}
    values = [Symbol("f_n"), *(Symbol(f"f_{{n-{j}}}") for j in range(1, count))]
    weights = [Rational(one.subs(even)) for one in landing.weights]
    total = Total(*(Product(w, f) for w, f in zip(weights, values, strict=True)))
    right = Total(Symbol("y_n"), Product(Symbol("h"), total))
    return Equation(Symbol("y_{n+1}"), right, note=f"AB{count}")


# 5


def dpm_solver() -> Section:
    """DPM-Solver in the lecture's variable, DDIM, and how it differs from Euler."""
    schedule = sg.schedules.vp_alphabar()
    ode = sg.SemilinearODE.derive(schedule, sg.NOISE)
    require(ode.integrating_factor(t, s) ** 2 - (1 - t) / (1 - s), "the integrating factor")
    antiderivative = -2 * sqrt(1 - A) / sqrt(A)
    require(diff(antiderivative, A) - A ** Rational(-3, 2) / sqrt(1 - A), "the antiderivative")
    weight = ode.zeroth_moment(t, s).subs({t: 1 - A_t, s: 1 - A_s})
    ddim = sqrt(A_t) * (x - sqrt(1 - A_s) * eps) / sqrt(A_s) + sqrt(1 - A_t) * eps
    require(sqrt(A_t / A_s) * x + weight * eps - ddim, "DDIM is DPM-1")
    euler = x + (A_t - A_s) * (x - eps / sqrt(1 - A_s)) / (2 * A_s)
    left = (A_t + A_s) / (2 * A_s) * x - (A_t - A_s) / (2 * A_s * sqrt(1 - A_s)) * eps
    require(euler - left, "Euler in the lecture's variable")
    d = Symbol("d")
    gap = sympy.series((ddim - euler).subs(A_t, A_s + d), d, 0, 3).removeO().coeff(d, 2)
    bracket = (1 - 2 * A_s) / (1 - A_s) ** Rational(3, 2) * eps - x
    require(8 * A_s**2 * gap - bracket, "how DDIM differs from Euler")
    weights = sg.Solver("vp_alphabar", sg.NOISE, sg.NOISE, sg.alpha**2).weights
    first, clock = taylor_integral(weights, 1), moment_antiderivative(weights, 1)
    assert first is not None
    assert clock is not None
    step = Total(Product(sqrt(A_t / A_s), x), Product(weight, eps))
    return Section(
        "DPM-Solver",
        (
            Paragraph(("In the lecture's variable, with the noise as the integrand:",)),
            Equations((
                Equation(Function("Phi")(t, s), sqrt(A_t / A_s)),
                Equation(shown("int dA/(A^(3/2) sqrt(1 - A))",
                               r"\int\frac{dA}{A^{3/2}\sqrt{1-A}}"), antiderivative),
                Equation(Symbol("x_t"), step, note="DDIM = DPM-1"),
            )),
            Paragraph(("Is that just Euler? Not in this variable:",)),
            Equations((
                Equation(shown("Euler", r"x_t^{\mathrm{Euler}}"), left),
                Equation(shown("DDIM - Euler", r"x_t^{\mathrm{DDIM}}-x_t^{\mathrm{Euler}}"),
                         Product((A_t - A_s) ** 2 / (8 * A_s**2), Total(bracket + x, -x)),
                         note="up to third order"),
            )),
            Paragraph((
                "It is Euler in another pair of variables: for x/alpha and sigma/alpha the ODE is ",
                shown("d(x/alpha)/d(sigma/alpha) = eps",
                      r"\frac{d(x/\alpha)}{d(\sigma/\alpha)}=\varepsilon"),
                ", and sigma/alpha is the integrand's clock, which the package finds by itself: ",
                relation("=", Symbol("q"), ode.clock), ".",
            ), boxed=True),
            Paragraph(("The lecture stops at the expansion of the noise in A. Its integrals close, "
                       "with an arcsine; in lambda they are phi functions, which is why the papers "
                       "use lambda:",)),
            Equations((Equation(Function("I_1")(t, s), first.expression),
                       Equation(Function("J_1")(Symbol("gamma")), clock))),
        ),
    )  # fmt: skip


# 6


def sampling_schedules() -> Section:
    """Which schedule is straight for which data."""
    names = ("vp_linear", "rectified_flow", "straight", "straight:0.3")
    kinds = ("gaussian:0.05", "gaussian:0.3", "gaussian:1", "mixture")
    found = comparison.compare(names, kinds, (5, 10, 20))
    needed = [
        ((name,), (run.method,), *((_count(found.cells[name, kind].runs[n].needed(1e-2)),)
                                   for kind in kinds))
        for name in names for n, run in enumerate(found.cells[name, kinds[0]].runs)
    ]  # fmt: skip
    path = shown(
        "x_t = alpha m + r_t/r_T (x_T - alpha_T m), r^2 = alpha^2 s^2 + sigma^2",
        r"x_t=\alpha_tm+\frac{r_t}{r_T}(x_T-\alpha_Tm),\quad r^2=\alpha^2s^2+\sigma^2",
    )
    return Section(
        "sampling schedules: VP against FM",
        (
            Paragraph(("For Gaussian data of the spread s every path is explicit, ", path,
                       ". VP is at rest for s = 1, flow matching is straight for s = 0, and for "
                       "every s there is a schedule that is straight:")),
            Equations((Equation(shown("sigma(t)", r"\alpha_t=1-t,\qquad\sigma_t"),
                                sqrt(t**2 + 2 * Symbol("s") * t * (1 - t))),), True),
            Figure(comparison.picture(found), "paths of four schedules for four kinds of data",
                   ("From noise to data, with the bend of the paths: 0 is straight, and there one "
                    "step of Euler is exact.",)),
            Paragraph(("Evaluations of the network for an error of 1e-2:",)),
            Table((("schedule",), ("method",), *((one,) for one in kinds)), tuple(needed)),
        ),
    )  # fmt: skip


def _count(found: int | None) -> str:
    return "more than 256" if found is None else str(found)


# 7


def slips() -> Section:
    """What is not so on the slides."""
    rows = (
        (r"\mathbb E\|x_\theta-x_0\|", r"\mathbb E\|x_\theta-x_0\|^2",
         "the mean minimises the square; without it, it is the geometric median"),
        (r"\prod_{i=0}^{s-1}(t-t_{n+i})", r"\prod_{i\ne j}(t-t_{n+i})",
         "else every term of a Lagrange basis vanishes at its own node"),
        (r"y_{i+1}=y_i+f(t_i,y_i)+O(h^2)", r"y_i+h\,f(t_i,y_i)+O(h^2)",
         "the integral has the length of the step"),
        (r"\mathrm{LTE}\to0", r"\mathrm{LTE}/h\to0",
         "and zero-stable: without the quotient a method that stands still would converge"),
        (r"\frac{1}{\sqrt{1-\alpha_t}}", r"\frac{1}{\sqrt{1-\alpha_\tau}}",
         "inside the integral over the step"),
    )  # fmt: skip
    return Section(
        "where the slides slip",
        (
            Table((("on the slide",), ("is",), ("because",)),
                  tuple(((shown(a, a),), (shown(b, b),), (why,)) for a, b, why in rows)),
            Paragraph(("Heun's method is listed as implicit; it is explicit, with two evaluations, "
                       "and the implicit one is the trapezoidal rule. The factor that multiplies x "
                       "before it is differentiated is the inverse of Phi; the result is right.",)),
        ),
    )  # fmt: skip


SECTIONS: tuple[Callable[[], Section], ...] = (
    flow_matching, processes, posterior_mean, methods, dpm_solver, sampling_schedules, slips,
)  # fmt: skip
LONG = (methods, sampling_schedules)
"""Many modules are compiled for these: half a minute each."""


def main(output: str = "lecture.html", *options: str) -> None:
    """Write the page; with --quick without what takes long."""
    lead = (
        "Every formula derived, every number measured. Source: Nikita Starodubcev, Visual "
        "Generative Modeling 2025, lecture 3."
    )
    title = "Numerical solvers: a lecture recomputed"
    chosen = [make for make in SECTIONS if "--quick" not in options or make not in LONG]
    Path(output).write_text(html.page(title, (lead,), (), [make() for make in chosen]))
    print(f"{output}: {len(chosen)} sections")


if __name__ == "__main__":
    main(*sys.argv[1:])
