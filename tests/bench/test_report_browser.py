"""The page of the bench in a browser: offline, on a phone, in both themes and in print."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from accelnn.bench.report import assembly as report
from tests.bench import runs

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(NAMES)} is installed")

#: It runs with the rights of root only without its sandbox; the rest keeps it off the network.
FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
]  # fmt: skip
SCHEMES, WIDTHS = ("light", "dark"), (400, 1280)

#: Every text that is seen -> [its colour, the first opaque colour behind it, pixels of its height].
TEXTS = """() => {
  const clear = (c) => c === "transparent" || c.endsWith(", 0)");
  const seen = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const box = element.getBoundingClientRect();
    if (!own || !box.width || element.closest("title, desc, style")) continue;
    const inChart = element instanceof SVGElement;
    const style = getComputedStyle(element);
    let behind = element;
    while (behind && clear(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    let back = getComputedStyle(behind || document.body).backgroundColor;
    if (inChart) {  // a share's label lies on its box, which was drawn before it
      const x = box.x + box.width / 2, y = box.y + box.height / 2;
      for (const path of element.closest("svg").querySelectorAll("path")) {
        const fill = getComputedStyle(path).fill, at = path.getBoundingClientRect();
        if (fill !== "none" && at.x <= x && x <= at.right && at.y <= y && y <= at.bottom)
          back = fill;
      }
    }
    const height = inChart ? box.height : parseFloat(style.fontSize);
    seen.push([element.textContent, inChart ? style.fill : style.color, back, height, inChart]);
  }
  return seen;
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    skipped = [{"name": "CuPy (cuBLAS)", "reason": "CuPy is not installed, " + "x" * 80}]
    made = runs.everything(scale="quick", others=0.4, not_run={"matmul/rungs": skipped})
    report.write(path, [made])
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


class Visit:
    """A page that is open, and what it asked for and complained about."""

    def __init__(self, browser: Any, address: str, scheme: str = "light", width: int = 1280):
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def luminance(colour: str) -> float:
    """Return the relative luminance of "rgb(r, g, b)", as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21.0)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)


def test_offline_without_complaints(browser: Any, address: str) -> None:
    with Visit(browser, address) as visit:
        assert [url for url in visit.requests if not url.startswith("data:")] == [address]
        assert visit.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out(browser: Any, address: str, width: int) -> None:
    with Visit(browser, address, width=width) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        outside = visit.page.evaluate("""() => [...document.querySelectorAll("svg text")].filter(
            (t) => {
              const svg = t.closest("svg").getBoundingClientRect(), box = t.getBoundingClientRect();
              return box.left < svg.left - 1 || box.right > svg.right + 1;
            }).map((t) => t.textContent)""")
        assert outside == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_text_can_be_read(browser: Any, address: str, scheme: str, width: int) -> None:
    with Visit(browser, address, scheme, width) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
        seen = visit.page.evaluate(TEXTS)
        paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(in_chart for *_, in_chart in seen) > 200
    assert (luminance(paper) > 0.5) == (scheme == "light")
    faint = {(text, c, back) for text, c, back, _, _ in seen if contrast(c, back) < 4.5}
    assert faint == set()
    assert min(height for *_, height, _ in seen) >= 10


def test_texts_of_a_chart_do_not_touch(browser: Any, address: str) -> None:
    with Visit(browser, address, width=400) as visit:
        touching = visit.page.evaluate("""() => {
          const found = [];
          for (const svg of document.querySelectorAll("svg.chart")) {
            const all = [...svg.querySelectorAll("text")].map((t) => [t.textContent,
              t.getBoundingClientRect()]);
            all.forEach(([a, p], i) => all.slice(i + 1).forEach(([b, q]) => {
              const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
              const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
              if (wide > 1 && high > 3) found.push([svg.id, a, b]);
            }));
          }
          return found;
        }""")
    assert touching == []


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_are_there(browser: Any, address: str, width: int) -> None:
    with Visit(browser, address, width=width) as visit:
        boxes = [svg.bounding_box() for svg in visit.page.query_selector_all("svg.chart")]
        named = [svg.get_attribute("aria-labelledby") for svg in
                 visit.page.query_selector_all("svg[role=img]")]  # fmt: skip
        words = [
            visit.page.text_content(f"[id='{each}']") for pair in named for each in pair.split()
        ]
    assert len(boxes) == 28
    assert all(box["width"] > 300 and box["height"] > 50 for box in boxes)
    assert all(words)


def test_numbers_are_one_click_away(browser: Any, address: str) -> None:
    with Visit(browser, address) as visit:
        details = visit.page.query_selector_all("details")
        assert len(details) == 29
        for each in details:
            table = each.query_selector("table")
            assert not table.is_visible()
            each.query_selector("summary").click()
            assert table.is_visible()
            assert len(table.query_selector_all("tbody tr")) >= 1


def test_in_print(browser: Any, address: str, tmp_path: Path) -> None:
    with Visit(browser, address, "dark") as visit:
        visit.page.emulate_media(media="print", color_scheme="dark")
        charts = visit.page.query_selector_all("svg.chart")
        assert all(chart.is_visible() for chart in charts)
        paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert luminance(paper) == 1.0
        faint = [t for t, c, back, _, _ in visit.page.evaluate(TEXTS) if contrast(c, back) < 4.5]
        assert faint == []
        out = tmp_path / "page.pdf"
        visit.page.pdf(path=str(out))
        assert out.stat().st_size > 100_000
