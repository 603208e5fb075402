"""A page in headless Chromium: everything is drawn, nothing overflows at 380 pixels, it prints."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import chromium
import pytest

import solvergen as sg
from solvergen.reports import page

pytestmark = chromium.needed

PROBE = """<!doctype html><body>
<iframe style="width: %dpx; height: 600px; border: 0"></iframe>
<script>
const frame = document.querySelector("iframe"), said = %s;
frame.onload = () => {
  const inside = frame.contentDocument, root = inside.documentElement;
  const sizes = [...inside.querySelectorAll("math")].map(one => one.getBoundingClientRect());
  document.body.innerHTML = JSON.stringify({
    wide: root.scrollWidth, window: root.clientWidth, formulas: sizes.length,
    empty: sizes.filter(one => one.width < 3 || one.height < 3).length,
    errors: inside.querySelectorAll("merror").length,
    images: [...inside.images].filter(one => !one.naturalWidth).length,
    fonts: [...inside.fonts].map(one => one.status).join(),
    requests: frame.contentWindow.performance.getEntriesByType("resource")
      .filter(one => !one.name.startsWith("data:")).length,
  });
};
frame.srcdoc = said;
</script></body>"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    page.page(sg.Solver("sub_vp", "noise", "data", "half_log_snr", "unipc:2"), path)
    return path


@pytest.mark.parametrize("width", [380, 1200])
def test_everything_is_drawn_and_nothing_overflows(written: Path, width: int) -> None:
    probe = written.parent / f"probe{width}.html"
    said = json.dumps(written.read_text()).replace("</", "<\\/")
    probe.write_text(PROBE % (width, said))
    shown = chromium.run("--virtual-time-budget=5000", "--dump-dom", f"file://{probe}")
    found = json.loads(re.search(r"\{.*\}", shown)[0])  # type: ignore[index]
    assert width - 20 <= found["window"] <= width, "but for a scrollbar"
    assert found["wide"] <= found["window"]
    assert found["formulas"] > 100
    bad = {name: found[name] for name in ("empty", "errors", "images", "requests")}
    assert bad == dict.fromkeys(bad, 0)
    assert found["fonts"] == "loaded"


def test_prints(written: Path) -> None:
    output = written.parent / "page.pdf"
    chromium.run("--no-pdf-header-footer", f"--print-to-pdf={output}", f"file://{written}")
    pages = len(re.findall(rb"/Type\s*/Page\b", output.read_bytes()))
    assert 4 <= pages <= 20
    if shutil.which("pdftotext") is None:
        return
    command = ["pdftotext", "-bbox", str(output), "-"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sheets = re.split(r"<page ", found)[1:]
    assert len(sheets) == pages
    for sheet in sheets:
        width, height = (
            float(one) for one in re.findall(r'(?:width|height)="([\d.]+)"', sheet)[:2]
        )
        words = re.findall(r'xMin="(\S+)" yMin="(\S+)" xMax="(\S+)" yMax="(\S+)"', sheet)
        places = [[float(one) for one in word] for word in words]
        assert places, "no sheet is empty"
        assert all(0 < x < right < width for x, _, right, _ in places), "nothing is cut"
        assert all(0 < y < low < height for _, y, _, low in places)
