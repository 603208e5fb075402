"""Formulas as people write them."""

from sympy import Add, Mul, exp, symbols

from solvergen.algebra import typesetting

a, b, c = symbols("a b c", positive=True)


def test_sums_of_negative_terms_in_products_give_their_sign_away() -> None:
    """a c for -(-a) c, at every depth; what has other terms too stays."""
    held = Mul(-1, Add(-a, -b), exp(-a), evaluate=False)
    assert typesetting.text(held) == "(a + b)*exp(-a)"
    assert typesetting.text(c / (b + held)) == typesetting.text(c / (b + (a + b) * exp(-a)))
    for kept in ((a - b) * c, -a * c, exp(-a - b), c / (a + b)):
        assert typesetting.text(kept) == str(kept)
    assert typesetting.text(-a - b) == "-a - b"
