"""Build sdist and wheel with the project's address in them: make dist URL=https://HOST/OWNER/NAME

The README's pictures and links are relative here, which package indexes do not follow. In what is
built they are absolute, and the metadata has the project's links. The working tree stays as it is.
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from setuptools import build_meta

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def absolute(text: str, url: str) -> str:
    """The README with links to files of the repository under ``url``."""

    def at(found: re.Match[str]) -> str:
        folder = "raw" if found[1] else "blob"
        return f"{found[1]}[{found[2]}]({url}/{folder}/main/{found[3]})"

    return LINK.sub(at, text)


def links(url: str) -> str:
    """The table of the project's links, for pyproject.toml."""
    return (
        "\n[project.urls]\n"
        f'Homepage = "{url}"\n'
        f'Issues = "{url}/issues"\n'
        f'Changelog = "{url}/blob/main/CHANGELOG.md"\n'
    )


def tracked() -> list[str]:
    """What git has, or all that an sdist has."""
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and done.stdout:
        return done.stdout.splitlines()
    return [str(one.relative_to(ROOT)) for one in ROOT.rglob("*") if one.is_file()]


def build(url: str, output: Path) -> list[Path]:
    """The two files, in ``output``."""
    output.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for name in tracked():
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
        readme, project = Path(folder) / "README.md", Path(folder) / "pyproject.toml"
        readme.write_text(absolute(readme.read_text(), url))
        project.write_text(project.read_text() + links(url))
        os.chdir(folder)
        try:
            built = [build_meta.build_sdist(str(output)), build_meta.build_wheel(str(output))]
        finally:
            os.chdir(before)
    return [output / name for name in built]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", help="the repository's address")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    chosen = parser.parse_args()
    if not re.fullmatch(r"https://[^\s/]+/\S+[^/\s]", chosen.url):
        parser.error(f"got {chosen.url!r}; expected https://HOST/OWNER/NAME")
    print(*build(chosen.url, chosen.output.absolute()), sep="\n")


if __name__ == "__main__":
    main()
