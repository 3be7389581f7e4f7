"""Writes SVG: shapes and texts on a white card, self-contained, for notebooks, pages and files.

Neither styles nor identifiers: several pictures on one page, and that page, must not meet.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap
from xml.sax.saxutils import escape, quoteattr

FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

#: Colours that people who see no red or no green tell apart, all at least 4.5 : 1 on white.
INK, FAINT, LINE = "#1f2328", "#5b6470", "#7a8593"
FORWARD, BACKWARD = "#1257a6", "#b3261e"
MARGIN = 20.0

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NARROW, _WIDE = set("iljtfr.,;:'|![]()/ I"), set("mwMW@ΣO‖")


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is, rather too much than too little."""
    units = sum(0.36 if c in _NARROW else 0.95 if c in _WIDE else 0.62 for c in text)
    return units * size


def f(x: float) -> str:
    """Return a coordinate in tenths, without a minus in front of 0."""
    return f"{round(x, 1) + 0.0:.1f}".removesuffix(".0")


class Canvas:
    """Collects elements; ``finished`` puts the card around them."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._deep = 1

    def add(self, tag: str, content: str | None = None, **attributes: object) -> None:
        """Write one element; ``stroke_width`` becomes ``stroke-width``."""
        inner = "/>" if content is None else f">{_escaped(content)}</{tag}>"
        self._lines.append(f"{'  ' * self._deep}<{tag}{_written(attributes)}{inner}")

    @contextmanager
    def group(self, title: str | None = None, **attributes: object) -> Iterator[None]:
        """Put what is drawn inside into one group, whose title a mouse pointer shows."""
        self._lines.append(f"{'  ' * self._deep}<g{_written(attributes)}>")
        self._deep += 1
        if title is not None:
            self.add("title", title)
        yield
        self._deep -= 1
        self._lines.append(f"{'  ' * self._deep}</g>")

    def text(
        self,
        x: float,
        y: float,
        content: str,
        *,
        size: float = 13,
        colour: str = INK,
        anchor: str = "middle",
        halo: bool = False,
        **more: object,
    ) -> None:
        """Write a line of text; ``y`` is its base line, ``halo`` keeps lines off its letters."""
        around: dict[str, object] = {}
        if halo:
            around = {"stroke": "#fff", "stroke_width": 4, "paint_order": "stroke"}
            around["stroke_linejoin"] = "round"
        self.add(
            "text",
            content,
            x=f(x),
            y=f(y),
            font_size=f(size),
            fill=colour,
            text_anchor=anchor,
            **around,
            **more,
        )

    def arrow_head(self, x: float, y: float, colour: str = LINE) -> None:
        """Draw a head that points right, its tip at (x, y)."""
        points = f"{f(x)},{f(y)} {f(x - 7)},{f(y - 3.5)} {f(x - 7)},{f(y + 3.5)}"
        self.add("polygon", points=points, fill=colour)

    def notes(self, notes: Sequence[str], y: float, width: float) -> tuple[float, float]:
        """Write lines below what ends at height ``y``; return the width and the new height."""
        for line in [line for note in notes for line in wrap(note, 100)]:
            y += 17
            self.text(0, y, line, size=11.5, anchor="start", class_="note")
            width = max(width, text_width(line, 11.5))
        return width, y

    def finished(self, width: float, height: float, title: str, description: str) -> str:
        """Return the whole picture, drawn in a field that starts at (0, 0)."""
        across, down = width + 2 * MARGIN, height + 2 * MARGIN
        box = f"{f(-MARGIN)} {f(-MARGIN)} {f(across)} {f(down)}"
        head = _written(
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": box,
                "width": f(across),
                "height": f(down),
                "role": "img",
                "aria-label": title,
                "font_family": FONT,
                "style": "max-width:100%;height:auto",
            }
        )
        card = Canvas()
        card.add("title", title)
        card.add("desc", description)
        card.add(
            "rect",
            x=f(-MARGIN + 0.5),
            y=f(-MARGIN + 0.5),
            width=f(across - 1),
            height=f(down - 1),
            rx=8,
            fill="#fff",
            stroke="#d0d7de",
        )
        return "\n".join([f"<svg{head}>", *card._lines, *self._lines, "</svg>", ""])


def _written(attributes: dict[str, object]) -> str:
    return "".join(
        f" {name.rstrip('_').replace('_', '-')}={quoteattr(_NOT_XML.sub('�', str(value)))}"
        for name, value in attributes.items()
        if value is not None
    )


def _escaped(text: str) -> str:
    return escape(_NOT_XML.sub("�", text))
