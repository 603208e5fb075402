"""Spells the functions that the rows of a step are made of, as far as a module needs them.

    _length(t, s)    lambda_t - lambda_s          _factor(t, s)        Phi
    _gap(t, s)       gamma_t - gamma_s            _moment(t, s, ..)    M0
    _conversion(t)   A and B                      _means(..)           mu_1, mu_2, ..

Each is a line or two where its formula is closed, which is decided in ``scalars.formulas``; the
templates ``common/integrals.jinja`` and ``common/factor.jinja`` have those that are integrated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from sympy import Expr, Mul, Symbol, UnevaluatedExpr

from solvergen.algebra.differences import d
from solvergen.algebra.numpy_code import items_code
from solvergen.scalars.conversion import Conversion
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.integrated import MASS, VARIANCE
from solvergen.scalars.lengths import GAP, KAPPA, H
from solvergen.symbols import alpha, alpha_s, eta, s, sigma, sigma_s, t
from solvergen.targets.end_values import is_falling, values_at_ends
from solvergen.targets.formulas import INDENT, Spelling
from solvergen.targets.integrals import IntegralPrinter
from solvergen.targets.products import in_parentheses
from solvergen.targets.rows import WRITTEN_OUT

LONG = 80
"""Characters of a formula that is written in parts."""
WEIGHTS = '''def _weights(mu, first, *falls):
    """ell_j with sum_j ell_j r_j^k = mu[k], for nodes r_0 = first, r_j = r_(j-1) - falls[j-1].

    As means of Newton's basis, then divided by the distances of nodes, the longest ones first
    (Bjorck and Pereyra 1970, Math. Comp. 24, 893): sums of terms of one sign for earlier steps.
    """
    ell, last, node, distances = [*mu], len(falls), first, [falls]
    for k, fall in enumerate(falls):
        for j in range(last, k, -1):
            ell[j] = ell[j] - node * ell[j - 1]
        node = node - fall
    for k in range(1, last):
        distances.append([distances[-1][j] + falls[j + k] for j in range(last - k)])
    for k in range(last - 1, -1, -1):
        for j, distance in enumerate(distances[k], start=k):
            part = ell[j + 1] / distance
            ell[j], ell[j + 1] = ell[j] + part, -part
    return ell'''

INNER = '''def _inner(share, t, s):
    """The time at which gamma has run a share of its way from s to t.

    Sought in its logit, by the rule of Illinois and bisection: beside an end where lambda is flat
    no value of lambda tells two times apart, but the way from s does.
    """
    whole = {length}(t, s)
    first, last = np.clip(_logit(s), -80.0, 80.0), np.clip(_logit(t), -80.0, 80.0)
    below, above = np.full_like(whole, -share), np.full_like(whole, 1.0 - share)
    early = np.full(whole.shape, -1)
    for n in range(100):
        part = 0.5 if n % 4 == 0 else -below / (above - below)
        middle = first + part * (last - first)
        u = _time_at(middle)
        at_start = u == s
        rest = np.where(at_start, 0.0, {length}(np.where(at_start, t, u), s) / whole) - share
        if (np.abs(rest) < 1e-13).all():
            break
        kept, early = 1.0 - 0.5 * ((rest < 0.0) == early), rest < 0.0  # twice the same side: half
        below, above = np.where(early, rest, kept * below), np.where(early, kept * above, rest)
        first, last = np.where(early, middle, first), np.where(early, last, middle)
    return u'''

LIMITED = '''def _limited(least, mu, first, *falls):
    """The same, blended with those of fewer nodes so that the negative ones sum to ``least[k]``."""
    ell, part = [1.0], 1.0
    for k, bound in enumerate(least, start=1):
        more = _weights(mu[: k + 1], first, *falls[:k])
        low, whole = sum(ell[1::2]), part == 1.0
        part = whole * np.clip((bound - low) / (sum(more[1::2]) - low), 0.0, 1.0)
        ell = [(1.0 - part) * a + part * b for a, b in zip([*ell, 0.0], more, strict=True)]
    return ell'''

MEANS = '''_THETA, _THETA_WEIGHTS = np.polynomial.legendre.leggauss(32)
_THETA = 0.5 * (1.0 + _THETA)[:, None]


def _means(h):
    """{names}: the means of theta^k by e^({exponent} theta) over [0, 1]."""
    u = _THETA * np.minimum(1.0, 50.0 / {size})  # from the heavier end, to where e^-50 is left
    density = np.exp(-np.minimum({size}, 50.0) * _THETA)
    theta = np.where(h > 0.0, {theta})
    return [_THETA_WEIGHTS @ (density * {power}) / (_THETA_WEIGHTS @ density){each}]'''
"""Sums of positive terms: they are as accurate in long steps as in short ones, both ways."""

ROWS = '''def _rows(*rows):
    """The rows of each step after one another: float64 [evaluations, {width}]."""
    columns = np.array([np.broadcast_arrays(*row) for row in rows])
    return np.ascontiguousarray(columns.transpose(2, 0, 1)).reshape(-1, {width})'''

CALLS = {
    alpha: Symbol("alpha(t)"),
    sigma: Symbol("sigma(t)"),
    alpha_s: Symbol("alpha(s)"),
    sigma_s: Symbol("sigma(s)"),
    KAPPA: Symbol("_kappa(t, s)"),
}


@dataclass(frozen=True)
class StepPrinter:
    """Spells for one module.

    Attributes:
        formulas: of the module.
        paired: whether t and s are always as many: not in start-ups that a short run does without.
    """

    formulas: Formulas
    paired: bool

    @cached_property
    def _spelling(self) -> Spelling:
        return Spelling(self.formulas.schedule.parameters)

    @cached_property
    def _integrals(self) -> IntegralPrinter:
        return IntegralPrinter(self.formulas.integrals, self._spelling)

    def functions(self, skipped: frozenset[str] = frozenset()) -> Iterator[str]:
        """Those that are called, without those that ``_steps`` spells itself."""
        formulas = self.formulas
        if formulas.reads_length and "_length" not in skipped:
            yield self._length()
        if formulas.reads_gap:
            yield self._gap()
        constant = all(one.is_number for one in formulas.conversion.forms)
        if not constant and "_conversion" not in skipped:
            yield self._conversion()
        if formulas.integrals.kappa:
            yield self._kappa()
        if formulas.reads_factor and "_factor" not in skipped:
            yield self._factor()
        if formulas.reads_moment and "_moment" not in skipped:
            yield self._moment()
        if formulas.spread is not None:
            yield self._spread()
        yield from self._means("_length" in skipped)
        if formulas.seeks_inner:
            yield INNER.format(length="_length" if formulas.is_half_log_snr else "_gap")
        if formulas.needs.interpolation > WRITTEN_OUT or formulas.needs.is_general:
            yield WEIGHTS
        if formulas.needs.limited > WRITTEN_OUT:
            yield LIMITED

    @property
    def _level(self) -> str:
        """What integrals run over, a function of time: lambda or the logit; empty for time."""
        if self.formulas.integrals.logit is not None:
            return "_logit"
        return "" if self.formulas.schedule.is_half_log_snr else "half_log_snr"

    @property
    def _levels(self) -> str:
        """That at t and at s."""
        if not self._level:
            return "t, s"
        both = "{0}(np.array([t, s]))" if self.paired else "{0}(t), {0}(s)"
        return both.format(self._level)

    def _function(
        self,
        head: str,
        says: str,
        *forms: Expr,
        either_way: bool = False,
        first: tuple[str, ...] = (),
        at_ends: bool = False,
    ) -> str:
        """A function that returns a formula in t, s, alpha and sigma; a second one for t > s, and
        what both read ``first``, alpha and sigma ``at_ends`` among it.

        It may go ``either_way``: where t > s it is what it is from t to s, negated, because its
        form keeps the digits of steps to smaller times.
        """
        first = (*first, *(values_at_ends(forms) if at_ends else []))
        calls = {KAPPA: CALLS[KAPPA]} if at_ends else CALLS
        forms = tuple(called(one, calls) for one in forms)
        lines, left = self._spelling.in_parts(*forms, longest=LONG)
        code, *rising = map(self._spelling.code, left)
        back = self.formulas.schedule.is_half_log_snr
        if [*left] == [t - s]:  # exact, and so either way
            return f'def {head}:\n{INDENT}"""{says}"""\n{INDENT}return t - s'
        if either_way and not self.formulas.is_noisy:  # noise is added on the way down alone
            low, high = "np.minimum(t, s)", "np.maximum(t, s)"
            ends = f"np.sign(t - s), {high}, {low}" if back else f"np.sign(s - t), {low}, {high}"
            first = (f"sign, t, s = {ends}", *first)
            code = f"sign * {in_parentheses(code) if left[0].is_Add else code}"
        elif rising:
            code = f"np.where({is_falling(self.formulas)}, {code}, {rising[0]})"
        body = [*first, *lines, f"return {code}"]
        text = f"\n{INDENT}".join(body)
        return f'def {head}:\n{INDENT}"""{says}"""\n{INDENT}{text}'

    def _length(self) -> str:
        form, says = self.formulas.lengths.half_log_snr, "lambda_t - lambda_s in all digits."
        if form is not None:
            return self._function("_length(t, s)", says, form, either_way=True)
        found = self._integrals
        if not self.formulas.integrals.rows:  # dt/dlambda is a number
            head = f'def _length(t, s):\n{INDENT}"""{says}"""\n'
            return f"{head}{INDENT}return {found.in_proportion('last - first')}"
        rows, line, code = self._integrated_length
        return self._integrated("_length(t, s)", says, rows, code, line)

    def _integrated(self, head: str, says: str, rows: list[str], code: str, *lines: str) -> str:
        """A function that returns a code of these integrals, after further lines."""
        found = self._integrals
        levels = f"last, first = {self._levels}", f"{found.unpacked(rows)} = {found.call}"
        text = f"\n{INDENT}".join([f'"""{says}"""', *levels, *lines, f"return {code}"])
        return f"def {head}:\n{INDENT}{text}"

    @property
    def _integrated_length(self) -> tuple[list[str], str, str]:
        """The integrals that lambda_t - lambda_s reads, a statement after them, and its code."""
        found = self._integrals
        if self.formulas.integrals.levels:
            line = "levels = half_log_snr(t) - half_log_snr(s)"
            whole = found.in_proportion("level")
            return ["level", "length"], line, f"np.where(np.isfinite(levels), {whole}, levels)"
        line = f"length = {found.in_proportion('last - first')}"
        return ["length"], line, "np.where(np.isfinite(last - first), length, last - first)"

    def _gap(self) -> str:
        form, says = self.formulas.lengths.gap, "gamma_t - gamma_s in all digits."
        if form is None:
            width = self._integrals.in_proportion("width")
            return self._integrated("_gap(t, s)", says, ["length", "width"], width)
        form = self._with_length(form)
        at_ends = self.paired or not self.formulas.is_noisy  # which are as many either way
        return self._function("_gap(t, s)", says, form, either_way=True, at_ends=at_ends)

    def _with_length(self, form: Expr) -> Expr:
        """A formula in h, which is computed on the spot."""
        return form.xreplace({H: Symbol("_length(t, s)")})

    def _conversion(self) -> str:
        return conversion_code(self.formulas.conversion, self._spelling, "_conversion", "N")

    def _kappa(self) -> str:
        """That of a step either way; infinite from or to an end where K is."""
        found, integrals = self._integrals, self.formulas.integrals
        sign = "" if integrals.logit is None else "-"
        kappa = sign + found.in_proportion("kappa")
        if any(integrals.endless):
            names = [n for n, one in zip(("first", "last"), integrals.endless, strict=True) if one]
            kappa = f"np.where(np.isfinite({' - '.join(names)}), {kappa}, np.inf)"
        says = "K_t - K_s, e^-kappa of what was is left."
        return self._integrated("_kappa(t, s)", says, ["length", "kappa"], kappa)

    def _factor(self) -> str:
        form = self.formulas.integrating_factor
        assert form is not None
        head = f"_factor({', '.join(['t', 's', *_eta(form)])})"
        return self._function(head, "Phi, the integrating factor.", form)

    def _spread(self) -> str:
        """nu: closed, or the root of an integral times R."""
        formulas, form, found = self.formulas, self.formulas.spread, self._integrals
        says = "nu, the standard deviation of the noise of a step."
        assert form is not None
        if not form.has(VARIANCE):
            passed = ["h"] if form.has(H) and formulas.is_half_log_snr else []
            length = Symbol("h" if passed else "_length(t, s)")
            if form.has(eta):  # at eta = 0 an infinite length is none
                length = Symbol(f"np.minimum({length}, 1e300)")
            head = f"_nu({', '.join(['t', 's', *passed, *_eta(form)])})"
            return self._function(head, says, form.xreplace({H: length}))
        variance = found.in_proportion("variance")
        returned = self._spelling.code(called(form).xreplace({VARIANCE: Symbol(variance)}))
        return self._integrated("_nu(t, s)", says, ["length", "variance"], returned)

    def _moment(self) -> str:
        formulas, form = self.formulas, self.formulas.zeroth_moment
        names = {GAP: "gap", MASS: "mass", H: "h"}
        given = [GAP, MASS, *([H] if formulas.is_half_log_snr and not form.has(MASS) else [])]
        passed = [names[one] for one in given if form.has(one)]
        head = f"_moment({', '.join(['t', 's', *passed, *_eta(form)])})"
        both = [form] if form == formulas.rising_moment else [form, formulas.rising_moment]
        first: tuple[str, ...] = ()
        if len(both) > 1 and H not in given and any(one.has(H) for one in both):
            first = ("h = _length(t, s)",)
        elif H not in given:
            both = list(map(self._with_length, both))
        says = "M0, the weight of N frozen over the step."
        return self._function(head, says, *both, first=first)

    # Means of powers of theta

    def _means(self, with_length: bool) -> Iterator[str]:
        formulas = self.formulas
        if formulas.exponent is not None:
            if formulas.needs.moments > 1:
                yield self._exponential_means()
            if formulas.needs.end_density:
                yield self._exponential_density()
            return
        if formulas.integrals.moments or formulas.integrals.mass:
            yield self._integrated_means(with_length)
        if formulas.integrals.end_density:
            level = f"{self._level}(t)" if self._level else "t"
            yield (
                "def _end_density(t, s, gap, mass):\n"
                f'{INDENT}"""dq/dgamma at t over its mean from s to t."""\n'
                f"{INDENT}return _density({level}) * gap / mass"
            )

    @property
    def _scaled(self) -> tuple[str, bool]:
        """|k| h, and whether the weight grows with theta."""
        k = self.formulas.exponent
        assert k is not None
        return ("h" if abs(k) == 1 else f"({self._spelling.code(abs(k))} * h)"), bool(k > 0)

    def _exponential_means(self) -> str:
        z, grows = self._scaled
        count = self.formulas.needs.moments - 1
        power = "" if z == "h" else self._spelling.code(abs(self.formulas.exponent or 1)) + " "
        return MEANS.format(
            names=", ".join(f"mu_{k}" for k in range(1, count + 1)),
            exponent=f"{'' if grows else '-'}{power}h",
            size="np.abs(h)" if z == "h" else f"np.abs({z[1:-1]})",
            theta="1.0 - u, u" if grows else "u, 1.0 - u",
            power="theta" if count == 1 else "theta**k",
            each="" if count == 1 else f" for k in {tuple(range(1, count + 1))}",
        )

    def _exponential_density(self) -> str:
        z, grows = self._scaled
        return (
            "def _end_density(h):\n"
            f'{INDENT}"""dq/dgamma at the end of a step over its mean."""\n'
            f"{INDENT}return {f'-{z} / np.expm1(-{z})' if grows else f'{z} / np.expm1({z})'}"
        )

    def _integrated_means(self, with_length: bool) -> str:
        found, integrals = self._integrals, self.formulas.integrals
        rows, returned, says = ["moments" if integrals.moments else "mass"], [], []
        lines: list[str] = []
        if integrals.mass:
            rows.append("length")
            returned.append(found.in_proportion("moments[0]" if integrals.moments else "mass"))
            says.append("int q' from s to t")
        if with_length:
            own, line, code = self._integrated_length
            rows, lines = [*rows, *own], [line]
            returned.append(code)
            says.append("lambda_t - lambda_s")
        if integrals.moments:
            returned.append("*(moments[1:] / moments[0])")
            says.append("mu_1, ..: the means of theta^k over q")
        shown = f"{'; '.join(says)}."
        return self._integrated("_means(t, s)", shown, rows, items_code(returned), *lines)


def _eta(form: Expr) -> tuple[str, ...]:
    """The argument for eta, if a formula reads it."""
    return ("eta",) if form.has(eta) else ()


def called(form: Expr, calls: Mapping[Symbol, Symbol] = CALLS) -> Expr:
    """A formula of a length with calls in it; c (s - t) is not multiplied out."""
    scaled = [one for one in form.atoms(Mul) if d in one.args and one.args[0].is_Number]
    kept = {one: one.xreplace({d: UnevaluatedExpr(s - t)}) for one in scaled if one != -d}
    return form.xreplace(kept).xreplace({**calls, d: s - t})


def conversion_code(conversion: Conversion, spelling: Spelling, name: str, result: str) -> str:
    """The function of those of A and B that are no numbers; empty if there are none."""
    known = {"A": conversion.a, "B": conversion.b}
    varies = {name: form for name, form in known.items() if not form.is_number}
    if not varies:
        return ""
    shown = {name: name if name in varies else spelling.code(form) for name, form in known.items()}
    terms = (("x", shown["A"]), ("P", shown["B"]))
    total = " + ".join(name if one == "1" else f"{one} {name}" for name, one in terms if one != "0")
    says = f"{' and '.join(varies)} of {result} = {total}."
    lines = [f"{name} = {spelling.at_times(called(one))}" for name, one in conversion.slopes]
    codes = [spelling.code(called(one)) for one in varies.values()]
    text = f"\n{INDENT}".join([*lines, f"return {items_code(codes)}"])
    return f'def {name}(t):\n{INDENT}"""{says}"""\n{INDENT}{text}'


def rows_code(width: int) -> str:
    """The function that lays rows out."""
    return ROWS.format(width=width)
