"""What the documents and docstrings say is what the code does.

One test per page runs its Python blocks, in order and in one namespace; one test per module runs
the examples of its docstrings. Links, and the commands of the command line, are looked up. What a
block is and how it may be marked is what the site goes by, ``docs/_ext/fences.py``.
"""

import doctest
import importlib
import json
import os
import pkgutil
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import accelnn
from accelnn import backends
from accelnn.bench.command import bench as measuring
from accelnn.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINKED = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]

#: Not imported here: the first runs the command line, the others need optional libraries.
_LEFT_OUT = ("accelnn.__main__", "accelnn.bench", "accelnn.kernels.on_cupy")

os.environ["MPLBACKEND"] = "agg"  # figures are made, not shown
sys.path.append(str(ROOT / "docs/_ext"))
fences = importlib.import_module("fences")
Block = fences.Block


def blocks(page: Path) -> list[Any]:
    found: list[Any] = fences.blocks(page.read_text(encoding="utf-8"))
    return found


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def modules() -> list[str]:
    found = (m.name for m in pkgutil.walk_packages(accelnn.__path__, "accelnn."))
    return ["accelnn", *(name for name in found if not name.startswith(_LEFT_OUT))]


@pytest.fixture(autouse=True)
def _own_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, without a chosen backend, and forget backends registered there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCELNN_BACKEND", raising=False)
    monkeypatch.setattr(backends, "_REGISTRY", dict(backends._REGISTRY))
    monkeypatch.setattr(backends, "_instances", dict(backends._instances))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_run(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language != "python":
            continue
        where = f"{name_of(page)}:{block.line}"
        marked = fences.MARK.fullmatch(block.mark)
        assert marked or not block.mark, f"{where}: not a mark that there is: {block.mark!r}"
        if not block.runs:
            continue
        if ">>>" in block.text:
            assert not marked, f"{where}: {block.mark!r} is for blocks without prompts"
            run_examples(page, block, namespace)
            continue
        value = fences.run(block, namespace, str(page))
        if marked and marked["alt"]:
            assert is_picture(value), f"{where}: the block gives no picture"


def is_picture(value: Any) -> bool:
    """Say whether a block gave one, and close Matplotlib's figures."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    figures = bool(pyplot and pyplot.get_fignums())
    if pyplot:
        pyplot.close("all")
    return figures or hasattr(value, "_repr_svg_")


def run_examples(page: Path, block: Any, namespace: dict[str, Any]) -> None:
    """Run one block in ``>>>`` style; what it defines is left in the namespace."""
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.text, namespace, name_of(page), str(page), block.line)
    report = run(test)
    namespace.update(test.globs)
    assert not report, report


def run(test: doctest.DocTest) -> str:
    """Return what failed, as doctest writes it."""
    lines: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=lines.append, clear_globs=False)
    return "".join(lines)


@pytest.mark.parametrize("name", modules())
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        report = run(test)
        assert not report, report


def test_the_modules_are_found() -> None:
    expected = {"accelnn.training", "accelnn.kernels.reference.losses", "accelnn.nn.linear"}
    assert expected <= set(modules())


def test_a_wrong_output_is_seen(tmp_path: Path) -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert "Expected:\n    3\nGot:\n    2" in run(test)


# Links ------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Return the names that headings get on a page: lower case, spaces as hyphens."""
    titles = re.findall(r"^#+ (.+)$", fences.FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    prose = fences.FENCE.sub("", page.read_text(encoding="utf-8"))
    prose = re.sub(r"`[^`\n]+`", "", prose)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {link} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)}: {link} has no such heading"


def test_an_index_names_every_page() -> None:
    """``docs/index.md`` those beside it and below, or the index of their own folder does."""
    top = ROOT / "docs"
    for page in PAGES[1:]:
        if page.parent.name.startswith("_") or page == top / "index.md":
            continue
        indices = [top / "index.md", page.parent / "index.md", page.parent.with_suffix(".md")]
        texts = [(i.parent, i.read_text("utf-8")) for i in indices if i.exists() and i != page]
        assert any(f"({page.relative_to(folder).as_posix()})" in text for folder, text in texts), (
            f"no index has a link to {name_of(page)}"
        )


def test_the_changelog_knows_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(accelnn.__version__)}\]", text, re.MULTILINE)
    assert f"\nversion: {accelnn.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


# The command line -------------------------------------------------------------------------------


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the commands that do something, such as ("data", "mnist")."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name)


def command_lines(page: Path) -> Iterator[tuple[list[str], str]]:
    """Yield (arguments, line) of every ``accelnn ...`` in the console blocks of a page."""
    for block in blocks(page):
        if block.info != "console":
            continue
        for line in block.text.splitlines():
            for command in line.split("&&"):
                words = shlex.split(command, comments=True)
                while words and "=" in words[0]:  # an environment variable
                    del words[0]
                if words[:2] == ["python", "-m"]:
                    del words[:2]
                if words[:1] == ["accelnn"]:
                    yield words[1:], line


def parse(arguments: list[str]) -> tuple[str, ...]:
    """Return the names of the command that a line calls; fail if its arguments do not parse."""
    command: click.Command = main
    names: list[str] = []
    while isinstance(command, click.Group):
        name = arguments[len(names)] if len(names) < len(arguments) else ""
        assert name in command.commands, f"accelnn {' '.join(arguments)}: no command {name!r}"
        names.append(name)
        command = command.commands[name]
    rest = arguments[len(names) :]
    with click.Context(main, info_name="accelnn", **main.context_settings) as above:
        command.make_context(names[-1], [*rest], parent=above)
    if names == ["bench"]:  # which hands everything on
        measuring.make_context("accelnn bench", rest)
    return tuple(names)


def test_a_wrong_option_is_seen() -> None:
    assert parse(["data", "mnist", "--to", "DIR"]) == ("data", "mnist")
    for command in ("train", "bench"):
        with pytest.raises(click.NoSuchOption):
            parse([command, "--epoch-count", "3"])


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_command_lines_parse(page: Path) -> None:
    for arguments, line in command_lines(page):
        try:
            names = parse(arguments)
        except click.ClickException as error:
            pytest.fail(f"{name_of(page)}: {line}: {error.format_message()}")
        assert CliRunner().invoke(main, [*names, "--help"]).exit_code == 0


def test_the_readme_names_the_commands_there_are() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    spans = re.findall(r"`(accelnn [a-z][^`]*)`", fences.FENCE.sub("", text))
    named = {parse(shlex.split(span)[1:]) for span in spans}
    named |= {parse(arguments) for arguments, _ in command_lines(ROOT / "README.md")}
    assert named == set(leaves(main))


def test_the_two_commands_are_one_line_each() -> None:
    found = [b.text for b in blocks(ROOT / "README.md") if b.info == "console"]
    assert "python -m pip install . && python -m accelnn train\n" in found
    assert 'python -m pip install -e ".[test]" && python -m pytest\n' in found


# Figures ----------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_recorded_runs() -> None:
    from accelnn.bench.merging import read_run
    from accelnn.bench.table import ESTIMATORS, argument, graph, performance, recorded

    results = ROOT / "bench/results"
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert page == performance(page, recorded(results))
    for name, run in (
        ("parallel-matmul", read_run(results)),
        ("from-scikit-learn", read_run(results / ESTIMATORS)),
    ):
        page = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
        assert page == argument(page, run)
        assert page.count("<!-- table: ") > 4
        assert "Not measured" not in page
    page = (ROOT / "docs/measuring.md").read_text(encoding="utf-8")
    assert page == graph(page, results)
    assert page.count("<!-- table: graph-") == 4


def test_what_the_graph_costs_is_shown_where_it_was_measured(tmp_path: Path) -> None:
    from accelnn.bench.table import GRAPH, graph
    from tests.bench import runs

    page = "<!-- table: graph-steps-found -->\n<!-- end -->\n"
    assert "Not measured yet." in graph(page, tmp_path)
    (tmp_path / GRAPH).write_text(json.dumps(runs.run(runs.graph())))
    assert "numpy eager takes 1.1 × (0.99 to 1.21) the program's time" in graph(page, tmp_path)


def test_a_missing_run_is_named_with_its_command(tmp_path: Path) -> None:
    from accelnn.bench.table import recorded

    with pytest.raises(
        FileNotFoundError, match=r"python -m accelnn\.bench\.peers --out .*peers\.json"
    ):
        recorded(tmp_path)


def test_runs_of_different_machines_are_refused(tmp_path: Path) -> None:
    from accelnn.bench.table import RUNS, recorded

    for cores, name in enumerate(RUNS):
        backend = {"device": "CPU", "version": "2.0", "blas": "some"}
        machine = {"cores": cores, "python": "3.11.7", "backends": [backend, backend]}
        (tmp_path / f"{name}.json").write_text(json.dumps({"machine": machine}))
    with pytest.raises(ValueError, match=r"different machines: CPU, 0 cores.*; CPU, 1 cores"):
        recorded(tmp_path)


@pytest.mark.parametrize("page", ["", "<!-- table: epochs -->\n<!-- end -->\n"])
def test_a_page_without_all_tables_is_refused(page: str) -> None:
    from accelnn.bench.table import performance

    with pytest.raises(ValueError, match="it must have"):
        performance(page, {})
