"""The lecture's results, derived: DM = FM, its table, its integrating factor, DDIM = DPM-1."""

import sympy
from sympy import Function, Rational, Symbol, diff, exp, integrate, log, simplify, sqrt, symbols

import solvergen as sg
from solvergen.closed_forms.antiderivatives import moment_antiderivative
from solvergen.derivation.parameterization import at_schedule, total_derivative
from solvergen.symbols import alpha, alpha_dot, s, sigma, sigma_dot, t

x, eps, x0 = symbols("x epsilon x_0")


def probability_flow(schedule: sg.NoiseSchedule) -> sympy.Expr:
    """f x - g^2/2 score, with score = -eps/sigma."""
    return schedule.f * x + schedule.g_squared / 2 * eps / schedule.sigma


def test_diffusion_is_flow_matching() -> None:
    """alpha = 1 - t, sigma = t: f = -1/(1-t), g^2 = 2t/(1-t), and the ODE is dx = (eps - x0) dt."""
    schedule = sg.schedules.rectified_flow()
    assert simplify(schedule.f + 1 / (1 - t)) == 0
    assert simplify(schedule.g_squared - 2 * t / (1 - t)) == 0
    ode = probability_flow(schedule).subs(x, (1 - t) * x0 + t * eps)
    assert simplify(ode - (eps - x0)) == 0


def test_probability_flow_is_the_flow_for_every_schedule() -> None:
    """f x - g^2/2 score = alpha' x0 + sigma' eps, with alpha and sigma left as functions."""
    a, b = Function("alpha")(t), Function("sigma")(t)
    f = diff(a, t) / a
    g_squared = diff(b**2, t) - 2 * f * b**2
    flow = f * (a * x0 + b * eps) + g_squared / 2 * eps / b
    assert simplify(flow - diff(a, t) * x0 - diff(b, t) * eps) == 0
    half_log_snr = log(a / b)
    assert simplify(g_squared + 2 * b**2 * diff(half_log_snr, t)) == 0


def test_table_row_variance_preserving() -> None:
    """dx = (x + score) dA / (2 A) in the lecture's A = alpha^2, for any A(t)."""
    A = Function("A")(t)
    f = diff(sqrt(A), t) / sqrt(A)
    g_squared = diff(1 - A, t) - 2 * f * (1 - A)
    score = Symbol("score")
    ours = f * x - g_squared / 2 * score
    assert simplify(ours - (x + score) * diff(A, t) / (2 * A)) == 0


def test_table_row_variance_exploding() -> None:
    """dx = -t score dt."""
    schedule = sg.schedules.ve()
    assert schedule.f == 0
    assert simplify(schedule.g_squared / 2 - t) == 0


def test_table_row_flow_matching() -> None:
    """dx = -(x + t score) dt / (1 - t)."""
    schedule, score = sg.schedules.rectified_flow(), Symbol("score")
    ours = schedule.f * x - schedule.g_squared / 2 * score
    assert simplify(ours + (x + t * score) / (1 - t)) == 0


def test_integrating_factor_and_antiderivative_in_the_lectures_variable() -> None:
    """Phi = sqrt(A_t/A_s); the integral of dA / (A^(3/2) sqrt(1-A)) is -2 sqrt(1-A)/sqrt(A)."""
    schedule = sg.schedules.vp_alphabar()
    ode = sg.SemilinearODE.derive(schedule, sg.NOISE)
    A_t, A_s = 1 - t, 1 - s
    assert simplify(ode.integrating_factor(t, s) ** 2 - A_t / A_s) == 0
    A = Symbol("A", positive=True)
    antiderivative = -2 * sqrt(1 - A) / sqrt(A)
    assert simplify(diff(antiderivative, A) - 1 / (A ** Rational(3, 2) * sqrt(1 - A))) == 0
    assert simplify(ode.clock_of_time - (-antiderivative / 2).subs(A, A_t)) == 0


def test_moments_in_the_lectures_variable() -> None:
    """gamma = A = alpha^2: J_0 = sqrt(1-A)/sqrt(A), and an arcsine for k = 1."""
    spec = sg.Solver("vp_alphabar", sg.NOISE, sg.NOISE, sg.alpha**2)
    A = sympy.Symbol("gamma", real=True)
    zeroth, first = (moment_antiderivative(spec.weights, k) for k in (0, 1))
    assert simplify(zeroth - sqrt(1 - A) / sqrt(A)) == 0
    assert first is not None
    assert first.has(sympy.asin)


def test_ddim_is_the_first_order_solver() -> None:
    """x_t = alpha_t (x_s - sigma_s eps)/alpha_s + sigma_t eps, in both integrands."""
    for schedule in (sg.schedules.vp_alphabar(), sg.schedules.vp_linear()):
        at_s = {t: s}
        alpha_s, sigma_s = schedule.alpha.subs(at_s), schedule.sigma.subs(at_s)
        ddim = schedule.alpha * (x - sigma_s * eps) / alpha_s + schedule.sigma * eps
        noise = sg.SemilinearODE.derive(schedule, sg.NOISE)
        step = noise.integrating_factor(t, s) * x + noise.zeroth_moment(t, s) * eps
        assert _vanishes(step - ddim)
        data = sg.SemilinearODE.derive(schedule, sg.DATA)
        clean = (x - sigma_s * eps) / alpha_s
        step = data.integrating_factor(t, s) * x + data.zeroth_moment(t, s) * clean
        assert _vanishes(step - ddim)


def test_euler_in_the_lectures_variable_is_not_ddim() -> None:
    """Euler: x_t = (A_t + A_s)/(2 A_s) x - (A_t - A_s)/(2 A_s sqrt(1 - A_s)) eps."""
    A_t, A_s = symbols("A_t A_s", positive=True)
    rate = (x - eps / sqrt(1 - A_s)) / (2 * A_s)
    euler = x + (A_t - A_s) * rate
    lecture = (A_t + A_s) / (2 * A_s) * x - (A_t - A_s) / (2 * A_s * sqrt(1 - A_s)) * eps
    assert simplify(euler - lecture) == 0
    in_A = sg.rate(alpha**2)
    schedule = sg.schedules.vp_alphabar()
    ode = sg.SemilinearODE.derive(schedule, in_A)
    to_noise = at_schedule(in_A.data, schedule) * (x - sqrt(t) * eps) / sqrt(1 - t)
    value = (to_noise + at_schedule(in_A.noise, schedule) * eps).subs(t, s)
    step = ode.integrating_factor(t, s) * x + ode.zeroth_moment(t, s) * value
    assert _vanishes(step - lecture.subs({A_t: 1 - t, A_s: 1 - s}))
    ddim = sqrt(A_t) * (x - sqrt(1 - A_s) * eps) / sqrt(A_s) + sqrt(1 - A_t) * eps
    difference = (euler - ddim).subs({A_t: Rational(3, 4), A_s: Rational(1, 2)})
    assert abs(float(difference.subs({x: 1, eps: 1}))) > 1e-3


def test_rate_is_the_chain_rule() -> None:
    """N = dx/dgamma has a = 0 and q = gamma, for any gamma(t, alpha, sigma)."""
    schedule = sg.schedules.vp_linear()
    for variable in (t, alpha**2, log(alpha / sigma), sigma / alpha + t):
        ode = sg.SemilinearODE.derive(schedule, sg.rate(variable))
        assert ode.linear_coefficient == 0
        assert ode.integrating_factor() == 1
        gap = ode.clock_rate - at_schedule(total_derivative(variable), schedule)
        assert schedule.vanishes(gap)


def test_flow_of_the_schedule_is_alpha_dot_x0_plus_sigma_dot_eps() -> None:
    assert (sg.FLOW.data, sg.FLOW.noise) == (alpha_dot, sigma_dot)


def _vanishes(expression: sympy.Expr) -> bool:
    """Exactly where sympy decides it; the parameters of a schedule stay symbols."""
    return simplify(sympy.expand(expression.rewrite(exp))) == 0 or _numerically_zero(expression)


def _numerically_zero(expression: sympy.Expr) -> bool:
    free = sorted(expression.free_symbols, key=str)
    for seed in (3, 7, 11):
        point = {one: Rational(seed * (i + 2), 97 + 5 * i) for i, one in enumerate(free)}
        if abs(expression.subs(point).evalf(60)) > 1e-45:
            return False
    return True


def test_integral_form_of_the_exact_solution() -> None:
    """x_t = Phi x_s + int Phi b N du solves the ODE for a polynomial N, symbolically."""
    schedule = sg.schedules.rectified_flow()
    ode = sg.SemilinearODE.derive(schedule, sg.DATA)
    u = Symbol("u", positive=True)
    N = 1 + 2 * u + 3 * u**2
    kernel = ode.integrating_factor(t, u) * ode.nonlinear_coefficient.subs(t, u) * N
    solution = ode.integrating_factor(t, s) * x + integrate(sympy.expand(kernel), (u, s, t))
    residual = (
        diff(solution, t)
        - ode.linear_coefficient * solution
        - ode.nonlinear_coefficient * N.subs(u, t)
    )
    assert simplify(residual) == 0
    assert simplify(solution.subs(t, s) - x) == 0
