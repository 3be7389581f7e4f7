"""What sphinx-gallery shows of an experiment beside Matplotlib's figures: accelnn's drawings."""

from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst


def scraper(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the drawing that a cell's last line gave; return the lines that show it.

    Parameters
    ----------
    block : tuple
        (label, content, line number).
    block_vars : dict
        What sphinx-gallery knows of the script.
    gallery_conf : dict
    """
    values = block_vars["example_globals"]
    if not hasattr(drawing := values.get("___"), "_repr_svg_"):
        return ""
    values["___"] = None  # or it would be shown again below the next cell
    path = Path(next(block_vars["image_path_iterator"])).with_suffix(".svg")
    path.write_text(drawing._repr_svg_(), encoding="utf-8")
    return figure_rst([str(path)], gallery_conf["src_dir"])
