"""What the site makes of a page: its blocks, the notebook, the names of the reference.

The site itself is built and checked in CI: ``python -m sphinx -W -n docs build/site``, then
``python docs/check_site.py build/site``.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

if str(ROOT / "docs/_ext") not in sys.path:
    sys.path.append(str(ROOT / "docs/_ext"))
fences = importlib.import_module("fences")


def needs(*names: str) -> None:
    for name in names:
        pytest.importorskip(name, reason="needs the extra docs: pip install -e '.[docs]'")


PAGE = """# Title

See [the kernels](../kernels.md#losses) and [elsewhere](https://example.org).

```python
>>> x = 3
>>> x + 1  # doctest: +ELLIPSIS
4
>>> 1 / 0
Traceback (most recent call last):
    ...
ZeroDivisionError: division by zero
>>> y = 2
```

```python skip: needs a GPU
nowhere()
```

```python output
print("hello")
x * y
```

<details>
<summary>Solution</summary>

Count.

```python
answer = 2
```

</details>

````markdown
```python
not_run
```
````

Last.
"""


# Blocks -----------------------------------------------------------------------------------------


def test_a_longer_fence_holds_shorter_ones() -> None:
    found = fences.blocks(PAGE)
    assert [b.info for b in found] == [
        "python",
        "python skip: needs a GPU",
        "python output",
        "python",
        "markdown",
    ]
    assert [b.runs for b in found] == [True, False, True, True, False]
    assert PAGE.splitlines()[found[2].line] == 'print("hello")'


@pytest.mark.parametrize(
    ("mark", "alt"),
    [
        ("output", None),
        ("picture: a line", "a line"),
        ("skip: needs a GPU", None),
    ],
)
def test_marks(mark: str, alt: str | None) -> None:
    assert fences.MARK.fullmatch(mark)["alt"] == alt


@pytest.mark.parametrize("mark", ["picture", "picture:", "picture: ", "skip", "skip: slow", "out"])
def test_no_marks(mark: str) -> None:
    assert fences.MARK.fullmatch(mark) is None


def test_the_value_of_a_block_is_that_of_its_last_line() -> None:
    namespace: dict[str, Any] = {}
    assert fences.run(fences.Block("python", "a = 2\na + 3\n", 0), namespace, "page") == 5
    assert fences.run(fences.Block("python", "b = a\n", 0), namespace, "page") is None
    assert namespace["b"] == 2


def test_a_traceback_names_the_line_of_the_page() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        fences.run(fences.Block("python", "a = 2\na / 0\n", 40), {}, "page.md")
    last = caught.traceback[-1]
    assert (str(last.path).endswith("page.md"), last.lineno + 1) == (True, 42)


# Notebooks --------------------------------------------------------------------------------------


def test_cells() -> None:
    found = fences.cells(PAGE)
    assert [(c.text, c.folded, c.raises) for c in found if c.code] == [
        ("x = 3\nx + 1", False, False),
        ("1 / 0", False, True),
        ("y = 2", False, False),
        ('print("hello")\nx * y', False, False),
        ("answer = 2", True, False),
    ]
    prose = [c.text for c in found if not c.code]
    assert prose[0] == "# Title\n\nSee the kernels and [elsewhere](https://example.org)."
    assert prose[1] == "```python\nnowhere()\n```"
    assert prose[2] == "<details>\n<summary>Solution</summary>\n\nCount.\n\n</details>"
    assert prose[3].endswith("````\n\nLast.")
    marked = [c for c in found if c.mark]
    assert [c.mark for c in marked] == ["output"]
    assert PAGE[: marked[0].end].endswith("x * y\n```")


def test_a_fold_of_code_alone_says_where_it_is() -> None:
    text = "<details>\n<summary>Solution</summary>\n\n```python\na = 1\n```\n\n</details>\n"
    prose, code = fences.cells(text)
    assert prose.text == "*Solution: unfold the next cell.*"
    assert code == fences.Cell("a = 1", code=True, folded=True, end=text.index("\n\n</details>"))


def test_a_notebook_runs_and_gives_its_outputs() -> None:
    needs("nbclient", "ipykernel", "sphinx", "matplotlib")
    notebooks = importlib.import_module("notebooks")
    text = PAGE + (
        "\n```python picture: a line\n"
        "import matplotlib.pyplot as plt\n"
        "fig, ax = plt.subplots()\n"
        "ax.plot([1, 2])\n```\n"
    )
    book = notebooks.notebook(fences.cells(text))
    assert notebooks.execute(book) == ""
    folded = [c.source for c in book.cells if c.metadata.get("jupyter") == {"source_hidden": True}]
    assert folded == ["answer = 2"]
    given = {c.source: notebooks.Given(c.outputs) for c in book.cells if c.cell_type == "code"}
    printed = given['print("hello")\nx * y'].printed()
    assert printed == "```{code-block} text\n:class: output\n\nhello\n6\n```\n"
    assert any("image/svg+xml" in o.get("data", {}) for o in book.cells[-1].outputs)
    assert given[book.cells[-1].source].picture is not None
    assert given["answer = 2"].picture is None
    plotted = notebooks.without_words(book.cells[-1].outputs)
    assert [o.output_type for o in plotted] == ["display_data"]  # not what ax.plot returned
    product = next(c.outputs for c in book.cells if c.source.endswith("x * y"))
    assert notebooks.without_words(product) == product


def test_what_fails_is_told() -> None:
    needs("nbclient", "ipykernel", "sphinx")
    notebooks = importlib.import_module("notebooks")
    book = notebooks.notebook(fences.cells("```python\nundefined_name\n```\n"))
    error = notebooks.execute(book)
    assert "NameError: name 'undefined_name' is not defined" in error
    assert "\x1b" not in error


# The reference ----------------------------------------------------------------------------------


def test_every_public_name_has_a_page() -> None:
    needs("sphinx")
    api_pages = importlib.import_module("api_pages")
    import accelnn

    found = api_pages.documented()
    assert {f"accelnn.{name}" for name in accelnn._HOME} <= found.keys()  # ``sum`` and ``abs`` too
    assert {"accelnn.nn.Linear", "accelnn.nn.functional.mse_loss"} <= found.keys()
    assert "accelnn.kernels.reference.losses.cross_entropy" in found
    assert found["accelnn.estimators.MLPClassifier"] == "accelnn.MLPClassifier"
    for package in api_pages.packages():
        text = api_pages.page(package, found)
        listed = [name for _, _, names in api_pages.groups(package) for name in names]
        assert sorted(listed) == sorted(api_pages.public(package)), package
        assert text.count(f".. module:: {package}\n") == 1


# The check of the site --------------------------------------------------------------------------


def test_broken_links_are_found(tmp_path: Path) -> None:
    needs("sphinx")
    sys.path.append(str(ROOT / "docs"))
    check_site = importlib.import_module("check_site")
    (tmp_path / "below").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="below/a.html#there">1</a> <a href="below/a.html#gone">2</a>'
        '<a href="no.html">3</a>'
        '<a href="https://example.org/x">4</a> <a href="#top">5</a> <img src="a.png">'
    )
    (tmp_path / "below/a.html").write_text('<p id="there"><a href="../index.html">1</a></p>')
    assert check_site.broken_links(tmp_path) == [
        "index.html: the picture a.png has no alternative text",
        "index.html: a.png leads to no file",
        "index.html: below/a.html#gone leads to no anchor",
        "index.html: no.html leads to no file",
    ]
