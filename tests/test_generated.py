"""The committed modules are what the compiler writes today (`make generated` updates them)."""

import runpy
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "generated"


def test_generated_modules_are_up_to_date(tmp_path: Path) -> None:
    regenerate = runpy.run_path(str(FOLDER / "regenerate.py"))["regenerate"]
    for path in regenerate(tmp_path):
        assert path.read_text() == (FOLDER / path.name).read_text(), path.name


def test_manifest_names_every_module(tmp_path: Path) -> None:
    listed = (FOLDER / "MANIFEST.toml").read_text()
    for path in FOLDER.glob("*.py"):
        assert path.name == "regenerate.py" or path.name in listed
