"""The documentation: `python tools/documentation.py` writes build/site, `--no-gallery` in seconds.

It asks for nothing outside, and fails at a link that leads nowhere.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import gallery
import site_pages

ROOT = Path(__file__).parents[1]
SILENT = ("griffe: ", "Build ", "No issues found")


def build(folder: Path) -> Path:
    """The site in a folder, with the pages of its gallery.

    Raises:
        SystemExit: a link leads nowhere, or a name of the reference is none.
    """
    site_pages.write(folder / "pages", folder / "gallery")
    text = (ROOT / "docs" / "mkdocs.yml").read_text().replace("ROOT", str(ROOT))
    (folder / "mkdocs.yml").write_text(text)
    return generate(folder)


def generate(folder: Path) -> Path:
    """The site, from pages that are laid out.

    Raises:
        SystemExit: as ``build``.
    """
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).partition("Traceback")[0].splitlines()
        sys.exit("\n".join(line for line in said if not line.startswith(SILENT)))
    return folder / "site"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-gallery", action="store_true", help="only the pages that are there")
    parser.add_argument("--folder", type=Path, default=ROOT / "build")
    given = parser.parse_args()
    if not given.no_gallery:
        gallery.make(given.folder / "gallery")
    print(build(given.folder) / "index.html")
