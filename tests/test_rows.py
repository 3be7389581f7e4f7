"""The table of the notes' statements: every row is there once and points to what exists."""

import ast
import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.golden.entries import ENTRIES
from tests.golden.misprints import PAIRS, REFUSED
from tests.golden.test_golden import TRAINED

ROOT = Path(__file__).parents[1]
NOTES = ROOT / "docs" / "notes"

#: How many statements each document makes, in the order of S0 ... S4.
COUNTS = (30, 54, 50, 38, 41)
ROWS = [f"S{document}-{n + 1}" for document, count in enumerate(COUNTS) for n in range(count)]
FEATURES = [f"F{n}" for n in range(1, 27)]

#: Test -> what may stand in the brackets behind it.
EXAMPLES = {
    "tests/golden/test_golden.py::test_golden": set(ENTRIES),
    "tests/golden/test_golden.py::test_golden_program": set(TRAINED),
    "tests/golden/test_errata.py::test_printed_differs": set(PAIRS),
    "tests/golden/test_errata.py::test_printed_is_refused": set(REFUSED),
}


def table(name: str) -> list[dict[str, str]]:
    with (NOTES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pointers() -> Iterator[tuple[str, str]]:
    """Yield (row or feature, pointer)."""
    for line in (*table("rows.csv"), *table("features.csv")):
        name = line.get("row") or line["feature"]
        for pointer in line["where"].split(" ; "):
            yield name, pointer


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@cache
def anchors_of(path: Path) -> set[str]:
    """Return the headings of a page as GitHub and the site name them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


def fault(pointer: str) -> str:
    """Return what is wrong with a pointer, or nothing."""
    if pointer.startswith("not code: "):
        return "" if len(pointer) > 20 else "no reason"
    if "::" in pointer:
        test, _, rest = pointer.partition("[")
        path, _, name = test.partition("::")
        if not (ROOT / path).is_file():
            return "no such file"
        if not name.startswith("test_") or name not in names_in(ROOT / path):
            return "no such test"
        if test in EXAMPLES or rest:
            return "" if rest.rstrip("]") in EXAMPLES.get(test, ()) else "no such example"
        return ""
    path, _, anchor = pointer.partition("#")
    if not re.fullmatch(r"docs/notes/[\w-]+\.md|examples/plot_\w+\.py", path):
        return "neither a test, a page of the notes, an experiment nor 'not code: ...'"
    if not (ROOT / path).is_file():
        return "no such file"
    name = Path(path).stem
    tested = ROOT / "tests" / "examples" / f"test_{name.removeprefix('plot_')}.py"
    if name.startswith("plot_") and not tested.is_file():
        return f"not tested by {tested.relative_to(ROOT)}"
    return "" if not anchor or anchor in anchors_of(ROOT / path) else "no such heading"


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [("rows.csv", "row", ROWS), ("features.csv", "feature", FEATURES)],
)
def test_every_row_is_there_once(name: str, column: str, expected: list[str]) -> None:
    lines = table(name)
    assert [line[column] for line in lines] == expected
    for line in lines:
        assert line["what it is"], line
        assert line["where"], line
        assert None not in line, f"a cell too many, unquoted commas? {line}"


def test_pointers_lead_somewhere() -> None:
    wrong = [f"{name}: {p}: {said}" for name, p in pointers() if (said := fault(p))]
    assert not wrong, "\n".join(wrong)


def test_every_example_and_misprint_is_pointed_to() -> None:
    """By a row, so that a reader who looks for its statement finds it."""
    found = {pointer for _, pointer in pointers()}
    examples = {f"tests/golden/test_golden.py::test_golden[{name}]" for name in ENTRIES}
    assert examples <= found, examples - found
    misprints = {
        f"tests/golden/test_errata.py::test_printed_{kind}[{name}]"
        for kind, names in (("differs", PAIRS), ("is_refused", REFUSED))
        for name in names
    }
    assert misprints <= found, misprints - found


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ("tests/golden/test_golden.py::test_golden[S0-G01]", ""),
        ("tests/golden/test_golden.py::test_golden[S0-G99]", "no such example"),
        ("tests/golden/test_golden.py::test_golden", "no such example"),
        ("tests/golden/test_golden.py::test_gold", "no such test"),
        ("tests/golden/test_gold.py::test_golden", "no such file"),
        ("tests/test_rows.py::test_a_wrong_pointer_is_seen[any]", "no such example"),
        ("docs/notes/rows.md#features", ""),
        ("docs/notes/rows.md#feature", "no such heading"),
        ("docs/notes/row.md", "no such file"),
        ("docs/index.md", "neither a test"),
        ("examples/plot_nothing.py", "no such file"),
        ("not code: ", "no reason"),
        ("not code: a joke with a link", ""),
    ],
)
def test_a_wrong_pointer_is_seen(pointer: str, said: str) -> None:
    found = fault(pointer)
    assert found.startswith(said)
    assert bool(found) is bool(said)
