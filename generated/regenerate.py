"""Write every module of MANIFEST.toml again, with the command that its header shows."""

import tomllib
from pathlib import Path

from typer.testing import CliRunner

from solvergen.cli import app

FOLDER = Path(__file__).parent


def regenerate(folder: Path) -> list[Path]:
    """Write the modules into ``folder``; returns their paths."""
    manifest = tomllib.loads((FOLDER / "MANIFEST.toml").read_text())
    return [_compile(entry, folder) for entry in manifest["module"]]


def _compile(entry: dict, folder: Path) -> Path:
    path = folder / entry["file"]
    options = [*entry["arguments"], "--target", entry["target"], "-o", str(path)]
    CliRunner().invoke(app, ["compile", *options], catch_exceptions=False)
    return path


if __name__ == "__main__":
    for written in regenerate(FOLDER):
        print(written)
