"""Sphinx extension: pages as notebooks, and the pictures and outputs of their blocks.

A page that ``notebook_pages`` names is turned into a notebook, which is executed and linked below
the page's title. A block marked ``output`` or ``picture: ...`` is followed by what its cell gave;
a page with such a block is executed too. A cell that fails is a warning, hence an error with -W.
"""

import os
import re
import tempfile
from base64 import b64decode
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import nbformat
from fences import MARK, Cell, cells
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from sphinx.application import Sphinx
from sphinx.util import logging

#: Where what is made here lies, in the folder of the sources, for Sphinx to find it.
FOLDER = "_generated"
_SCRIPT = re.compile(r"\]\((?:\.\./)+examples/(plot_\w+)\.py\)(?!`)")
_TITLE = re.compile(r"^# .+\n", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_KINDS = {"image/svg+xml": ".svg", "image/png": ".png"}
_log = logging.getLogger(__name__)


def to_gallery(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let a link to an experiment's script, which GitHub shows, lead to its page."""
    if app.env.doc2path(docname).suffix == ".md":
        source[0] = _SCRIPT.sub(r"](/gallery/\1.rst)", source[0])


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the text of a page by one with what its blocks gave."""
    if app.env.doc2path(docname).suffix != ".md":
        return
    found = cells(source[0])
    offered = any(fnmatch(docname, pattern) for pattern in app.config.notebook_pages)
    offered = offered and any(cell.code for cell in found)
    shown = [cell for cell in found if MARK.fullmatch(cell.mark)]
    if not (offered or shown):
        return
    book = notebook(found)
    if error := execute(book):
        _log.warning("a block does not run in the notebook:\n%s", error, location=docname)
    target = Path(app.srcdir, FOLDER, docname).with_suffix(".ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    text, at = "", 0
    for number, (cell, made) in enumerate(zip(found, book.cells, strict=True)):
        if not (m := MARK.fullmatch(cell.mark)):
            continue
        made.outputs = without_words(made.get("outputs", []))
        given = Given(made.outputs)
        below = given.printed()
        if m["alt"]:
            below += given.pictured(target.with_suffix(""), number, app.srcdir, m["alt"])
            if not given.picture and not error:
                _log.warning("the block %r gives no picture", cell.text, location=docname)
        text += source[0][at : cell.end] + "\n\n" + below
        at = cell.end
    text += source[0][at:]
    if offered:
        nbformat.write(book, target)
        link = f"{{download}}`Download as notebook </{FOLDER}/{docname}.ipynb>`"
        text = _TITLE.sub(lambda m: f"{m[0]}\n{{.notebook}}\n{link}\n", text, count=1)
    source[0] = text


def without_words(outputs: list[Any]) -> list[Any]:
    """Return what a cell gave; beside a figure without what the plotting call returned."""
    drawn = [bool(_KINDS.keys() & o.get("data", {}).keys()) for o in outputs]
    kinds = [o.output_type for o in outputs]
    if ("display_data", True) not in zip(kinds, drawn, strict=True):
        return outputs
    keep = [kind != "execute_result" or p for kind, p in zip(kinds, drawn, strict=True)]
    return [o for o, kept in zip(outputs, keep, strict=True) if kept]


class Given:
    """What a cell gave.

    Parameters
    ----------
    outputs : list of dict
        In the form of notebooks.
    """

    def __init__(self, outputs: list[Any]) -> None:
        data = [o.data for o in outputs if o.output_type in ("execute_result", "display_data")]
        self.picture = next((d for d in data if _KINDS.keys() & d.keys()), None)
        words = [o.text for o in outputs if o.output_type == "stream" and o.name == "stdout"]
        words += [
            d["text/plain"]
            for o, d in ((o, o.get("data", {})) for o in outputs)
            if o.output_type == "execute_result" and not _KINDS.keys() & d.keys()
        ]
        self.words = "\n".join(word.rstrip("\n") for word in words)

    def printed(self) -> str:
        """Return what was printed, as a block of the page."""
        if not self.words or self.words.startswith("<Figure") or "```" in self.words:
            return ""
        return f"```{{code-block}} text\n:class: output\n\n{self.words}\n```\n"

    def pictured(self, stem: Path, number: int, root: Any, alt: str) -> str:
        """Write the picture to a file; return the lines that show it."""
        if not self.picture:
            return ""
        kind, ending = next((k, e) for k, e in _KINDS.items() if k in self.picture)
        file = stem.with_name(f"{stem.name}-{number}{ending}")
        data = self.picture[kind]
        file.write_bytes(data.encode() if ending == ".svg" else b64decode(data))
        name = file.relative_to(root).as_posix()
        return f"\n```{{image}} /{name}\n:alt: {alt}\n:class: picture\n```\n"


def notebook(found: list[Cell]) -> Any:
    """Return the cells in the form of Jupyter."""
    book = nbformat.v4.new_notebook()
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, cell in enumerate(found):
        make = nbformat.v4.new_code_cell if cell.code else nbformat.v4.new_markdown_cell
        made = make(cell.text, id=f"cell-{number}")  # the same in every build
        if cell.folded:
            made.metadata.jupyter = {"source_hidden": True}
        if cell.raises:
            made.metadata.tags = ["raises-exception"]
        book.cells.append(made)
    return book


def execute(book: Any) -> str:
    """Run all cells in an empty folder, in a process of its own; return what went wrong."""
    env = {k: v for k, v in os.environ.items() if k not in ("ACCELNN_BACKEND", "MPLBACKEND")}
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            book,
            timeout=300,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            extra_arguments=["--InlineBackend.figure_formats=svg", "--log-level=ERROR"],
        )
        try:
            client.execute(env=env)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            return _COLOUR.sub("", str(error))
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)  # the times
    return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("notebook_pages", [], "env", list)
    app.connect("source-read", read)
    app.connect("source-read", to_gallery)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
