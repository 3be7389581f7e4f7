"""What ``draw`` returns: one drawing, as SVG and as text."""

from pathlib import Path

from accelnn.drawing.signs import in_ascii
from accelnn.paths import replace_file


class Drawing:
    """A picture and its text; a notebook shows the picture, ``print`` the text.

    Attributes
    ----------
    svg : str
        An SVG document of its own: no scripts, no fonts or files from elsewhere.
    text : str
        The same for terminals, in Unicode.
    """

    def __init__(self, svg: str, text: str) -> None:
        self.svg = svg
        self.text = text

    @property
    def ascii(self) -> str:
        """The text for terminals that show ASCII only."""
        return in_ascii(self.text)

    def save(self, path: str | Path) -> None:
        """Write the picture (.svg) or the text (.txt); the file is there whole or not at all.

        Raises
        ------
        ValueError
            For another suffix.
        """
        path = Path(path)
        contents = {".svg": self.svg, ".txt": self.text + "\n"}
        if path.suffix.lower() not in contents:
            raise ValueError(
                f"a drawing is saved as .svg or .txt, got {path.name!r}; for a bitmap open the "
                ".svg in a browser or in Inkscape and export it there"
            )
        replace_file(path, contents[path.suffix.lower()].encode())

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__
