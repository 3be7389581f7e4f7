"""A network too large for neurons: one card per layer with its size, shapes and parameters."""

from collections.abc import Sequence

from accelnn.drawing.canvas import FAINT, FORWARD, LINE, Canvas, f, text_width
from accelnn.drawing.network import Card
from accelnn.drawing.text import table

_PAINT = {True: ("#eaf1fb", "#3b5b86"), False: ("#fff6dc", "#9a6b00")}  # with parameters or not


def cards_svg(cards: Sequence[Card], total: int, notes: Sequence[str], title: str) -> str:
    """Return the layers from left to right as SVG."""
    canvas = Canvas()
    middle = max(_height(card) for card in cards) / 2
    x = 0.0
    for i, card in enumerate(cards):
        wide, high = _width(card), _height(card)
        fill, line = _PAINT[bool(card.parameters)]
        with canvas.group(class_="layer", data_name=card.name, data_parameters=card.parameters):
            place = {"x": f(x), "y": f(middle - high / 2), "width": f(wide), "height": f(high)}
            canvas.add("rect", **place, rx=7, fill=fill, stroke=line, stroke_width=1.6)
            y = middle - high / 2 + 22
            canvas.text(x + wide / 2, y, card.kind, size=14, font_weight="bold")
            for told in _lines(card):
                y += 17
                canvas.text(x + wide / 2, y, told, size=11.5, colour=FAINT)
        x += wide
        far = max(40.0, text_width(card.leaves, 11.5) + 20) if card.leaves else 40.0
        last = i == len(cards) - 1
        with canvas.group(class_="edge", data_value=card.leaves):
            canvas.add("path", d=f"M{f(x)},{f(middle)}H{f(x + far - 5)}", stroke=LINE)
            canvas.arrow_head(x + far, middle)
            canvas.text(x + far / 2 - 3, middle - 6, card.leaves, size=11.5, colour=FORWARD)
        x += far + (0 if last else 1)
    x, y = canvas.notes([f"{total:,} parameters", *notes], 2 * middle + 7, x)
    kinds = ", ".join(f"{card.kind} {' '.join(card.lines[:1])}".strip() for card in cards)
    return canvas.finished(x, y + 2, title, f"{kinds}; {total:,} parameters.")


def _lines(card: Card) -> list[str]:
    return [*([f"layer {card.name}"] if card.name else []), *card.lines]


def _width(card: Card) -> float:
    widest = max((text_width(told, 11.5) for told in _lines(card)), default=0.0)
    return max(64.0, text_width(card.kind, 15), widest) + 16


def _height(card: Card) -> float:
    return 34.0 + 17 * len(_lines(card))


def cards_text(cards: Sequence[Card], total: int, notes: Sequence[str]) -> str:
    """Return one line per layer and the sum of the parameters."""
    rows = [("layer", "kind", "output", "", "parameters")]
    for card in cards:
        about = [line for line in card.lines if not line.endswith(" parameters")]
        count = f"{card.parameters:,}" if card.parameters else ""
        rows.append((card.name, card.kind, card.leaves, ", ".join(about), count))
    rows.append(("", "total", "", "", f"{total:,}"))
    return "\n".join([*table(rows), *notes])
