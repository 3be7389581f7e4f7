"""The drawing itself: valid and self-contained SVG, notebooks, files."""

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from accelnn import Tensor, draw, nn
from accelnn.drawing import Drawing


@pytest.fixture
def made() -> Drawing:
    return draw(Tensor(2.0, requires_grad=True) * 3)


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.Linear(20, 2)], ids=str)
def test_svg_stands_on_its_own(made: Drawing, model: nn.Module) -> None:
    for drawing in (made, draw(model, title="Two < three")):
        svg = ET.fromstring(drawing.svg)
        assert (svg.get("role"), svg[0].tag) == ("img", "{http://www.w3.org/2000/svg}title")
        assert svg.get("aria-label") == svg[0].text
        kinds = {element.tag.rpartition("}")[2] for element in svg.iter()}
        assert not kinds & {"script", "style", "image", "use", "foreignObject"}
        assert not re.search(r"href|url\(|\bid=|\bon\w+=", drawing.svg)
        card = next(e for e in svg if e.tag.endswith("rect"))
        assert card.get("fill") == "#fff"  # readable on a dark page, too
    assert svg[0].text == "Two < three"


def test_notebooks_show_the_picture_and_terminals_the_text(made: Drawing) -> None:
    assert made._repr_svg_() == made.svg
    assert str(made) == repr(made) == made.text
    assert made.text == "x1               2  dx1 = 3\nresult = x1 · 3  6  dresult = 1"


def test_the_same_drawing_every_time(made: Drawing) -> None:
    again = draw(Tensor(2.0, requires_grad=True) * 3)
    assert (again.svg, again.text) == (made.svg, made.text)


def test_save(made: Drawing, tmp_path: Path) -> None:
    for name, content in (("a.svg", made.svg), ("b.SVG", made.svg), ("c.txt", made.text + "\n")):
        made.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8") == content
    made.save(str(tmp_path / "a.svg"))
    assert sorted(os.listdir(tmp_path)) == ["a.svg", "b.SVG", "c.txt"]


@pytest.mark.parametrize("name", ["a.png", "a", "svg"])
def test_save_refuses_what_it_cannot_write(made: Drawing, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"saved as .svg or .txt, got '{name}'"):
        made.save(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_save_leaves_the_old_file_when_it_fails(
    made: Drawing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.svg"
    target.write_text("old", encoding="utf-8")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        made.save(target)
    assert target.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.svg"]
