"""What is built holds what its tests need, and a README whose pictures show anywhere."""

import importlib.util
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
URL = "https://example.org/us/solvergen"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    pytest.importorskip("setuptools", minversion="80")
    spec = importlib.util.spec_from_file_location("distribute", ROOT / "tools" / "distribute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_of_the_readme_are_absolute(tool: ModuleType) -> None:
    text = tool.absolute((ROOT / "README.md").read_text(), URL)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures
    for one in pictures:
        assert one.startswith(f"{URL}/raw/main/docs/")
        assert (ROOT / one.removeprefix(f"{URL}/raw/main/")).is_file()
    assert not re.search(r"\]\((?!https://|#)", text)


def test_the_distribution_is_whole(tool: ModuleType, tmp_path: Path) -> None:
    sdist, wheel = tool.build(URL, tmp_path)
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        metadata = archive.extractfile(next(n for n in archive.getnames() if "PKG-INFO" in n))
        assert metadata is not None
        assert f"Project-URL: Homepage, {URL}".encode() in metadata.read()
    kept = [name for name in tool.tracked() if not name.startswith((".ci", ".git"))]
    assert set(kept) <= names
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    for path in (*ROOT.glob("solvergen/**/*.py"), *ROOT.glob("templates/*/*.jinja")):
        name = str(path.relative_to(ROOT)).replace("templates/", "solvergen/templates/", 1)
        assert name in packed


def test_metadata_and_hooks_say_what_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "Typing :: Typed" in project["project"]["classifiers"]
    packages = {str(p.parent.relative_to(ROOT)).replace("/", ".")
                for p in ROOT.glob("solvergen/**/__init__.py")}  # fmt: skip
    assert packages | {"solvergen.templates"} == set(project["tool"]["setuptools"]["packages"])
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    for entry in re.findall(r"entry: (.+)", hooks):
        assert entry.split()[0] in (".venv/bin/ruff", ".venv/bin/mypy")
    recipes = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`((?:solvergen|templates|benchmarks)/[\w/]+\.\w+)`", recipes):
        assert (ROOT / name).exists() or "NAME" in name
    for heading in ("A schedule", "A preset", "A scheme", "A target"):
        assert f"## {heading}" in recipes


def _pins(name: str) -> dict[str, str]:
    """The version of every package of a file."""
    found = re.findall(r"(?m)^([\w.-]+)==(\S+)", (ROOT / name).read_text())
    return {one.lower().replace("_", "-"): version for one, version in found}


def test_hashes_are_of_the_versions_that_are_tested() -> None:
    """All that is needed but torch; a package of one system alone is no part of the tests."""
    text = (ROOT / "requirements-hashed.txt").read_text()
    entries = re.split(r"(?m)^(?=[\w.-]+==)", text)[1:]
    for one in entries:
        name, *hashes = one.splitlines()
        assert name.endswith(" \\")
        assert hashes
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes)
    pins, tested = _pins("requirements-hashed.txt"), _pins("constraints.txt")
    only_elsewhere = {"colorama"}
    assert {name: tested[name] for name in pins if name not in only_elsewhere} == {
        name: version for name, version in pins.items() if name not in only_elsewhere
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["jax"], *extras["demo"], *extras["certify"]]
    assert {re.split(r"[<>=\[]", one)[0] for one in needed} <= set(pins)
