"""The list of suites and parts is what the files hold."""

import ast
from pathlib import Path

from accelnn.bench import suites

FOLDER = Path(suites.__file__).parent


def test_the_list_is_what_the_files_hold() -> None:
    found = {
        (path.stem.removeprefix("test_"), node.name.removeprefix("test_"))
        for path in FOLDER.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert {(part.suite, part.name) for part in suites.PARTS} == found


def test_each_suite_has_a_name_on_the_command_line() -> None:
    assert list(suites.SUITES.values()) == list(dict.fromkeys(part.suite for part in suites.PARTS))


def test_estimates_are_of_use() -> None:
    assert len({part.label for part in suites.PARTS}) == len(suites.PARTS)
    assert all(0 < part.quick < part.full for part in suites.PARTS)
    assert sum(part.quick for part in suites.PARTS) <= 135  # "about two minutes", as the help says
