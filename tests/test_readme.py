"""The README and the pages of docs/ say what is so."""

import doctest
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from solvergen.cli import app

ROOT = Path(__file__).parent.parent
README, *PAGES = ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))
TEXT = "\n".join(page.read_text() for page in (README, *PAGES))

BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def block(containing: str) -> str:
    (found,) = (one for one in BLOCKS if containing in one)
    return found


def test_example_is_the_file() -> None:
    assert BLOCKS[0] == (ROOT / "examples" / "custom_schedule.py").read_text()


SESSIONS = [page for page in PAGES if ">>>" in page.read_text()]


@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: page.stem)
def test_python_sessions(page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(page.read_text(), {}, page.stem, page.name, 0)
    assert len(test.examples) >= 7
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize().failed == 0


def test_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    joined = TEXT.replace("\\\n", " ").replace("    $ solvergen", "    solvergen")
    found = re.findall(r"^    solvergen ((?:compile|verify|derive|plot) .*)$", joined, re.MULTILINE)
    commands = dict.fromkeys(tuple(shlex.split(one)) for one in found)
    assert len(commands) == 11
    for command in commands:
        words = [str(ROOT / one) if one.startswith("generated/") else one for one in command]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, (command, done.output)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)
def test_linked_files_exist(page: Path) -> None:
    for path in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert (page.parent / path).exists(), path


def test_the_readme_leads_to_every_page() -> None:
    """By itself, or by a page that it leads to."""
    linked = re.findall(r"\]\((?:docs/)?([a-z_]+\.md)\)", TEXT)
    assert {page.name for page in PAGES} <= set(linked)


def test_the_readme_is_short() -> None:
    """Three sentences, a picture, two commands, an example, links."""
    assert len(README.read_text().split()) <= 900


def test_where_things_are_names_every_folder() -> None:
    _, _, shown = README.read_text().partition("## Where things are")
    _, _, table = (ROOT / "docs" / "architecture.md").read_text().partition("## The rooms")
    for folder in (ROOT / "solvergen").iterdir():
        if (folder / "__init__.py").exists():
            assert f"{folder.name}/" in shown, folder.name
            assert f"[{folder.name}/]" in table, folder.name


def test_scheduler_of_a_pipeline() -> None:
    import torch_extras  # noqa: F401
    from diffusers import DDIMScheduler, PNDMScheduler

    for peer in (DDIMScheduler(beta_schedule="scaled_linear"), PNDMScheduler(beta_end=0.012)):
        pipe = SimpleNamespace(scheduler=peer)
        exec(block("pipe.scheduler"), {"pipe": pipe})
        assert type(pipe.scheduler).__name__.startswith("VpAlphabarDataUnipc2")
        assert pipe.scheduler.config.beta_end == peer.config.beta_end


def test_sampler_of_k_diffusion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function that the text names, in a file that its command writes."""
    import importlib

    import torch

    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"^    solvergen (compile .* -o my_sampler.py)$", TEXT, re.MULTILINE)
    done = CliRunner().invoke(app, shlex.split(command), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("my_sampler")
    (name,) = (one for one in vars(module) if one.startswith("sample_"))
    sigmas, x = torch.tensor([14.6, 2.0, 0.5, 0.0]), 14.6 * torch.ones(2, 4, 8, 8)
    found = vars(module)[name](
        lambda x, sigma, seed: x / (1 + sigma[:, None, None, None] ** 2),
        x,
        sigmas,
        extra_args={"seed": 0},
        disable=True,
    )
    assert found.isfinite().all()
