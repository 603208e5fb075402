"""Measured figures beside what was expected of them, and tables of them."""

from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Check:
    """One measured figure: what was expected, what was found."""

    name: str
    expected: str
    found: str
    passed: bool


@dataclass(frozen=True)
class Verification:
    """All checks of a module."""

    title: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check is."""
        return all(check.passed for check in self.checks)

    def table(self) -> Table:
        """For a terminal."""
        table = Table("check", "expected", "found", "", title=self.title)
        for check in self.checks:
            mark = "[green]ok[/]" if check.passed else "[red]FAILED[/]"
            table.add_row(check.name, check.expected, check.found, mark)
        return table

    def __str__(self) -> str:
        rows = [("check", "expected", "found", "")]
        rows += [
            (one.name, one.expected, one.found, "ok" if one.passed else "FAILED")
            for one in self.checks
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def require(self) -> None:
        """For users' tests.

        Raises:
            AssertionError: a check failed; with the table of all that were measured.
        """
        if not self.passed:
            raise AssertionError(f"{self.title}: does not hold\n{self}")


def accuracy(name: str, worst: float, tolerance: float) -> Check:
    """An error that must not be above a tolerance."""
    return Check(name, f"error <= {tolerance:.0e}", f"{worst:.1e}", bool(worst <= tolerance))
