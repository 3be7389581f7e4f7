"""The fenced blocks of a page: what they are marked with, and the notebook they make.

Needs no Sphinx: the site (``notebooks.py``) and ``tests/test_docs.py`` read pages the same way.
The convention for authors is in ``docs/notes/index.md``.
"""

import ast
import doctest
import re
from typing import Any, NamedTuple

#: A fence at the left margin. The text behind ``python`` is its mark. A longer fence holds shorter
#: ones, which are then no fences of the page.
FENCE = re.compile(
    r"^(?P<ticks>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=ticks)$", re.MULTILINE | re.DOTALL
)
MARK = re.compile(
    r"skip: needs (?:a GPU|the network)"  # shown, and run by nobody
    r"|(?P<output>output)"  # what it prints, or its last value, is shown below it
    r"|picture: (?P<alt>\S.*)"  # so is its picture, for which a reader may have to take the words
)
_FOLD = re.compile(r"<details>\s*<summary>(?P<title>.*?)</summary>|</details>", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\((?!https?:|mailto:)[^)\s]+\)")
_OPTION = re.compile(r"[ \t]*#\s*doctest:.*$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: what stands behind the fence, its text, and the line before its first."""

    info: str
    text: str
    line: int

    @property
    def language(self) -> str:
        """The first word behind the fence."""
        return self.info.partition(" ")[0]

    @property
    def mark(self) -> str:
        """What follows that word."""
        return self.info.partition(" ")[2].strip()

    @property
    def runs(self) -> bool:
        """Whether the block is Python that can run everywhere."""
        return self.language == "python" and not self.mark.startswith("skip")


class Cell(NamedTuple):
    """A cell of a notebook; ``end`` is where in the page its block ends, 0 for all but the last."""

    text: str
    code: bool = False
    folded: bool = False
    raises: bool = False
    end: int = 0
    mark: str = ""


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(m["info"].strip(), m["text"], text.count("\n", 0, m.start("text")))
        for m in FENCE.finditer(text)
    ]


def run(block: Block, namespace: dict[str, Any], file: str) -> Any:
    """Run a block without prompts; return the value of its last line, None where it has none."""
    tree = ast.parse("\n" * block.line + block.text, file)  # a traceback names the page's lines
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, file, "exec"), namespace)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), file, "eval"), namespace)


def cells(text: str) -> list[Cell]:
    """Return a page as the cells of a notebook: prose as it is, blocks as code without prompts."""
    found: list[Cell] = []
    prose, at, folded = "", 0, ""
    for m in FENCE.finditer(text):
        block = Block(m["info"].strip(), m["text"], 0)
        prose += text[at : m.start()]
        at = m.end()
        if not block.runs:
            prose += f"{m['ticks']}{block.language}\n{block.text}{m['ticks']}"
            continue
        before, folded = _unfolded(prose, folded, code_follows=True)
        found += before
        prose = ""
        code = _examples(block) if ">>>" in block.text else [Cell(block.text.rstrip(), code=True)]
        code[-1] = code[-1]._replace(end=m.end(), mark=block.mark)
        found += [cell._replace(folded=bool(folded)) for cell in code]
    return found + _unfolded(prose + text[at:], folded, code_follows=False)[0]


def _examples(block: Block) -> list[Cell]:
    """Return a block with prompts as cells; each ends where an output was printed."""
    found: list[Cell] = []
    lines = ""
    for example in doctest.DocTestParser().get_examples(block.text):
        lines += _OPTION.sub("", example.source)
        if example.want:
            found.append(Cell(lines.rstrip(), code=True, raises=example.exc_msg is not None))
            lines = ""
    return [*found, Cell(lines.rstrip(), code=True)] if lines else found


def _unfolded(prose: str, title: str, code_follows: bool) -> tuple[list[Cell], str]:
    """Return (cells, the title of the fold that is open at the end, or "").

    A fold cannot go over several cells, so each piece of prose in it gets a fold of its own.
    """
    pieces: list[str] = []
    at = 0
    for m in [*_FOLD.finditer(prose), None]:
        piece = prose[at : m.start() if m else len(prose)].strip()
        if title and piece:
            piece = f"<details>\n<summary>{title}</summary>\n\n{piece}\n\n</details>"
        elif title and at and m is None and code_follows:
            piece = f"*{title}: unfold the next cell.*"
        pieces.append(_LINK.sub(r"\1", piece))
        if m:
            at, title = m.end(), m["title"] or ""
    text = "\n\n".join(piece for piece in pieces if piece)
    return ([Cell(text)] if text else []), title
