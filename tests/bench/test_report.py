"""The page of the bench: whole, valid, safe, and there whatever the run lacks."""

import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from accelnn.bench.report import assembly as report
from tests.bench import runs

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Reads a page, and complains about elements that are not closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href") and value is not None:
                self.links.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "text", "title", "desc"):
            self.said.append(data.replace("\N{NO-BREAK SPACE}", " "))

    def tags(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.fixture(scope="module")
def whole() -> str:
    return report.page([runs.everything()])


def test_every_step_has_its_charts(whole: str) -> None:
    page = Page(whole)
    charts = [each["class"] for each in page.tags("svg")]
    assert charts == ["chart"] * 28
    assert len(page.tags("table")) == 29  # behind each chart, and the facts
    headings = [int(name[1]) for name, _ in page.elements if name in ("h1", "h2", "h3", "h4")]
    assert headings[0] == 1
    assert headings.count(2) == 11
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_nothing_is_fetched(whole: str) -> None:
    page = Page(whole)
    assert [link for link in page.links if not link.startswith("#")] == ["data:,"]
    assert "@import" not in whole
    assert "http" not in whole
    assert page.tags("script") == []


def test_ids_are_unique_and_all_that_is_pointed_at_is_there(whole: str) -> None:
    page = Page(whole)
    assert len(page.ids) == len(set(page.ids))
    targets = {link[1:] for link in page.links if link.startswith("#")}
    named = {word for svg in page.tags("svg") for word in str(svg["aria-labelledby"]).split()}
    assert len(named) == 56
    assert targets | named <= set(page.ids)


def test_same_input_same_page(whole: str) -> None:
    assert report.page([runs.everything()]) == whole
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.bench import runs\nfrom accelnn.bench.report import assembly as report\n"
        "sys.stdout.buffer.write(report.page([runs.everything()]).encode())"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=root, check=True)
    assert done.stdout.decode() == whole  # another process hashes text otherwise


def test_what_a_run_says_is_text() -> None:
    evil = "<script>alert('&')</script> $x$"
    made = runs.run([runs.bench("scaling/strong", evil, 1.0, threads=1)], cpu=evil)
    text = report.page([made])
    assert "<script>" not in text
    page = Page(text)
    assert evil in page.text


def test_head_says_what_kind_of_run_it_was() -> None:
    page = Page(report.page([runs.run(runs.kernels(), scale="quick", others=0.4)]))
    assert "Imaginary CPU @ 3 GHz, 8 cores , 2026-03-01 12:34 quick run" in page.text
    assert "other programs used up to 0.4 cores" in page.text
    assert "further apart than 15 % of its median" in page.text
    assert "versions, numpy 2.4.0" in page.text
    assert "flags, fma no" in page.text
    quiet = Page(report.page([runs.run(runs.kernels(), others=0.1)]))
    assert "quick run" not in quiet.text
    assert "other programs" not in quiet.text


def test_noisy_cases_are_named(whole: str) -> None:
    page = Page(whole)
    assert page.text.count("noisy, spread 23 %") == 2  # the roofline, and the kernel itself
    assert whole.count("hollow: noisy") == 4
    assert "1 of 14 points in this chart is noisy." in page.text


def test_parts_that_are_missing_name_their_command() -> None:
    page = Page(report.page([runs.run(runs.scaling())]))
    assert len(page.tags("svg")) == 3  # strong, weak, roofline
    absent = {"matmul": 4, "kernels": 2, "backprop": 2, "mnist": 8, "predict": 2, "peers": 1}
    absent |= {"estimators": 4, "graph": 2}
    for command, times in {**absent, "scaling": 0}.items():
        assert page.text.count(f"Not run: accelnn bench {command}") == times


def test_cases_that_are_missing_have_their_reason() -> None:
    skipped = [{"name": f"test_single[relu-cupy-{i}]", "reason": "no driver"} for i in range(9)]
    page = Page(report.page([runs.run(runs.kernels(), not_run={"kernels/single": skipped})]))
    names = "relu-cupy-0, relu-cupy-1, relu-cupy-2, relu-cupy-3, relu-cupy-4 and 4 more"
    assert page.text.count(f"{names} (9 cases): no driver") == 1
    alone = Page(report.page([runs.run([], not_run={"peers/epochs": skipped[:1]})]))
    assert "Nothing was measured here. Not run: relu-cupy-0: no driver" in alone.text


def test_a_part_that_failed_says_so() -> None:
    made = runs.run([], not_run={"peers/epochs": [{"name": "test_epochs[x]", "reason": "boom"}]})
    made["accelnn"]["parts"]["peers/epochs"]["failed"] = True
    assert "x: it failed: boom" in Page(report.page([made])).text


def test_several_machines_side_by_side() -> None:
    two = [runs.everything(), runs.everything(3.0)]
    page = Page(report.page(two))
    assert len(page.tags("svg")) == 56
    assert len(page.ids) == len(set(page.ids))
    assert page.text.count("Imaginary CPU @ 3 GHz, 8 cores (1)") > 20
    assert page.text.count("Imaginary CPU @ 3 GHz, 8 cores (2)") > 20
    assert "The most is 91 GFLOP/s" in page.text
    assert "The most is 30.3 GFLOP/s" in page.text


def test_one_of_two_machines_lacks_a_part() -> None:
    page = Page(report.page([runs.everything(), runs.run(runs.kernels())]))
    assert len(page.tags("svg")) == 28 + 3
    assert page.text.count("Not run: accelnn bench predict") == 2


SPARSE: dict[str, Any] = {
    "no run": [],
    "no cases": [runs.run([])],
    "an empty document": [{}],
    "one size": [runs.run([*runs.ladder(sizes=(64,)), *runs.gradients(networks=((3, 5, 2),))])],
    "one backend": [runs.run(runs.training(backends=("numba",)), backends=("numba",))],
    "one thread": [runs.run(runs.scaling(threads=(1,)), backends=())],
}


@pytest.mark.parametrize("name", SPARSE)
def test_the_page_comes_out_for_sparse_runs(name: str) -> None:
    page = Page(report.page(SPARSE[name]))
    assert len(page.tags("section")) == 11


@pytest.mark.parametrize("hole", [None, float("nan"), -1.0, "text"])
def test_the_page_comes_out_for_holes_in_the_numbers(hole: Any) -> None:
    def holed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: holed(each) for key, each in value.items()}
        if isinstance(value, list):
            return [holed(each) for each in value]
        return hole if isinstance(value, int | float) and not isinstance(value, bool) else value

    made = runs.everything()
    for place, bench in enumerate(made["benchmarks"]):
        bench["extra_info"] = holed(bench["extra_info"])
        if place % 2:
            bench["stats"] = holed(bench["stats"])
    for part in made["accelnn"]["parts"].values():
        part["ceilings"] = holed(part["ceilings"])
    text = report.page([made])
    assert len(Page(text).tags("section")) == 11
    assert not {"nan", "inf", "None"} & set(Page(text).text.split())
