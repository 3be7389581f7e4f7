"""A sheet to draw a chart on, and the SVG of it that takes its colours from the page.

Matplotlib draws with colours that stand for roles. In the text of the SVG they become CSS
variables, so that one drawing serves the light theme, the dark one and the printer.
"""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

#: Units of the drawing. A phone shows 1 of them as about 0.86 px, a desk as about 1.3 px.
WIDTH = 430
TEXT = 12.0

#: Colours that nothing else has -> variables of ``report.css``.
INK, SOFT, GRID, PAPER, REST = "#010203", "#010204", "#010205", "#010206", "#010207"
SERIES = tuple(f"#0102{16 + i:02x}" for i in range(8))
_VARIABLES = {
    INK: "ink",
    SOFT: "soft",
    GRID: "grid",
    PAPER: "paper",
    REST: "rest",
    **{colour: f"series-{i + 1}" for i, colour in enumerate(SERIES)},
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "p", ">")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))

_SPACES = ("{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}")
_STYLE: Any = {  # Matplotlib 3.11 types the names, 3.10 does not
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # comes with Matplotlib, and is wider than what the page uses
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in the name of a machine is a dollar sign
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "lines.solid_capstyle": "round",
}


class Sheet:
    """A figure in units of which 1 is a pixel, with y downwards, for texts and legends.

    Parameters
    ----------
    height : float
    """

    def __init__(self, height: float) -> None:
        self.height = height
        with mpl.rc_context(_STYLE):
            self.figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
            self.over = self.figure.add_axes((0.0, 0.0, 1.0, 1.0), zorder=3)
        self.over.set(xlim=(0, WIDTH), ylim=(height, 0))
        self.over.axis("off")
        self.over.patch.set_visible(False)

    def axes(self, left: float, top: float, width: float, height: float) -> Any:
        """Return axes at this place, without a frame."""
        with mpl.rc_context(_STYLE):
            made = self.figure.add_axes(
                (
                    left / WIDTH,
                    1 - (top + height) / self.height,
                    width / WIDTH,
                    height / self.height,
                )
            )
        made.patch.set_visible(False)
        made.spines[:].set_visible(False)
        made.tick_params(length=0, labelcolor=SOFT, labelsize=TEXT, pad=4)
        made.tick_params(which="minor", length=0)
        made.set_axisbelow(True)
        return made

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str = INK,
        align: str = "left",
        plate: bool = False,
    ) -> None:
        """Write on the line whose middle is at y; on a plate where lines run behind it."""
        behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0} if plate else None
        with mpl.rc_context(_STYLE):
            self.over.text(x, y, words, color=colour, ha=align, va="center", size=TEXT, bbox=behind)

    def line(self, xs: Sequence[float], ys: Sequence[float], **look: Any) -> None:
        """Draw a line, or a marker."""
        self.over.add_line(Line2D(list(xs), list(ys), **look))

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle, with a seam of the page's colour."""
        self.over.add_patch(
            Rectangle((x, y), width, height, facecolor=colour, edgecolor=PAPER, linewidth=1)
        )

    def svg(self, key: str, title: str, description: str) -> str:
        """Return the drawing as an element of an HTML page.

        Parameters
        ----------
        key : str
            Unique in the page; the ids inside begin with it.
        title, description : str
            For those who hear the page.
        """
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with mpl.rc_context({**_STYLE, "svg.hashsalt": key}):
            self.figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
        return _inline(buffer.getvalue(), key, title, description)


def text_width(words: str, size: float = TEXT) -> float:
    """Return how wide a text is, in the units of the drawing."""
    font = FontProperties(family="DejaVu Sans", size=size)
    return float(text_to_path.get_text_width_height_descent(words, font, ismath=False)[0])


def _inline(text: str, key: str, title: str, description: str) -> str:
    """Return the SVG without what only a file of its own needs, and with its own ids."""
    root = ET.fromstring(text)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    for element in root.iter():
        element.tag = _bare(str(element.tag))
        for name in list(element.attrib):
            value = element.attrib.pop(name)
            if name == "id" and value not in used:
                continue
            if name == "id":
                value = f"{key}-{value}"
            value = re.sub(r"^#|(?<=url\()#", f"#{key}-", value)
            element.set(_bare(name), value)
    for part in ("metadata", "style"):
        for parent in list(root.iter()):
            for child in parent.findall(part):
                parent.remove(child)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib |= {
        "viewBox": box,
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-desc",
        "class": "chart",
    }
    for place, (tag, words) in enumerate((("title", title), ("desc", description))):
        made = ET.Element(tag, {"id": f"{key}-{tag}"})
        made.text = words
        root.insert(place, made)
    return _coloured(ET.tostring(root, encoding="unicode"))


def _bare(name: str) -> str:
    for space in _SPACES:
        name = name.removeprefix(space)
    return name


def _coloured(text: str) -> str:
    """Return the SVG with variables for colours, and the page's font."""
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", text)
