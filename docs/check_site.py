"""Check the site that was built: ``python docs/check_site.py build/site``.

Every link within the site leads to a file and an anchor that exist, every picture exists and has
an alternative text, every public name is documented, every page of the notes and every experiment
is a notebook. Links to other sites are left to Sphinx's linkcheck.
"""

import json
import posixpath
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.util.inventory import InventoryFile

HERE = Path(__file__).parent
sys.path.append(str(HERE / "_ext"))


class Page(HTMLParser):
    """The anchors, links and pictures of a page.

    Parameters
    ----------
    text : str
        HTML.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.wordless: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag says."""
        given = {key: value or "" for key, value in attrs}
        self.anchors |= {given[key] for key in ("id", "name") if key in given}
        self.links |= {given[key] for key in ("href", "src") if given.get(key)}
        if tag == "img" and "alt" not in given:  # empty says that it adds nothing
            self.wordless.append(given.get("src", ""))


def read(site: Path) -> dict[str, Page]:
    """Return the pages of a site by their paths in it."""
    return {
        path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
    }


def broken_links(site: Path) -> list[str]:
    """Return a line for each link that leads nowhere, and each picture without words."""
    pages = read(site)
    found = []
    for name, page in pages.items():
        found += [f"{name}: the picture {src} has no alternative text" for src in page.wordless]
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            folder = posixpath.dirname(name)
            target = posixpath.normpath(posixpath.join(folder, unquote(parts.path)))
            target = name if not parts.path else target
            if (site / target).is_dir():
                target = posixpath.normpath(posixpath.join(target, "index.html"))
            if not (site / target).is_file():
                found.append(f"{name}: {link} leads to no file")
            elif parts.fragment and target in pages:
                anchor = unquote(parts.fragment)
                if anchor not in pages[target].anchors and anchor not in ("", "top"):
                    found.append(f"{name}: {link} leads to no anchor")
    return found


def undocumented(site: Path) -> list[str]:
    """Return a line for each public name that the site's inventory lacks."""
    from api_pages import documented

    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    known = {
        name
        for domain, items in inventory.data.items()
        if domain.startswith("py:")
        for name in items
    }
    return [
        f"{name} is not in the reference{'' if name == by else f', nor is {by}'}"
        for name, by in documented().items()
        if by not in known
    ]


def without_notebook(site: Path) -> list[str]:
    """Return a line for each page of the notes and each experiment that is no valid notebook."""
    from fences import blocks

    books = {path.stem: path for path in (site / "_downloads").rglob("*.ipynb")}
    notes = {path.stem: path.read_text("utf-8") for path in (HERE / "notes").glob("*.md")}
    pages = [name for name, text in notes.items() if any(block.runs for block in blocks(text))]
    scripts = [path.stem for path in (HERE.parent / "examples").glob("plot_*.py")]
    found = [
        f"{name} is not offered as a notebook" for name in pages + scripts if name not in books
    ]
    for name, path in books.items():
        book = json.loads(path.read_text(encoding="utf-8"))
        code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
        if not code or any(">>> " in "".join(cell["source"]) for cell in code):
            found.append(f"the notebook {name} has no code, or prompts in it")
        if name in pages and any(
            cell["execution_count"] is None for cell in code if cell["source"]
        ):
            found.append(f"the notebook {name} was not executed to its end")
    return found


def check(site: Path) -> list[str]:
    """Return a line for each thing that is wrong with the site."""
    return broken_links(site) + undocumented(site) + without_notebook(site)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/site")
    if wrong := check(folder):
        sys.exit("\n".join([*wrong, f"{len(wrong)} things are wrong with {folder}"]))
    print(f"{len(read(folder))} pages: links, pictures, names and notebooks are in order")
