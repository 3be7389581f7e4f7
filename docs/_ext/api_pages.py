"""Sphinx extension: writes the pages of the API from the packages themselves.

Each page lists the public names of one package by theme. Functions are described there, a class
has a page of its own. A name that is added to a package is on its page with the next build; no
list of names is kept here.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from sphinx.application import Sphinx
from sphinx.config import Config

import accelnn
from accelnn.cli import main
from accelnn.kernels import KERNELS

#: The packages that have a page. Of a name in several of them, the first documents it.
PACKAGES = (
    "accelnn",
    "accelnn.autograd",
    "accelnn.nn",
    "accelnn.nn.functional",
    "accelnn.nn.init",
    "accelnn.nn.utils",
    "accelnn.optim",
    "accelnn.optim.schedules",
    "accelnn.utils",
    "accelnn.utils.data",
    "accelnn.estimators",
    "accelnn.datasets",
    "accelnn.backends",
    "accelnn.errors",
    "accelnn.roofline",
    "accelnn.cuda",
)
REFERENCE = "accelnn.kernels.reference"
#: What a package's own modules share, without an underscore; no part of what it offers.
_SHARED = re.compile(r"c_ordered|checked_\w+|on_host|record")

#: The themes of ``accelnn``: title -> (sentence, the modules whose names belong there).
THEMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Tensors": (
        "An array that remembers how it was computed, and what makes one.",
        ("autograd", "graph", "creation", "dtypes", "devices", "sampling", "nn.init"),
    ),
    "Functions of tensors": (
        "Each is a node of the graph, with the derivative that belongs to it.",
        ("functions", "operators.shaping"),
    ),
    "Derivatives": (
        "Backward passes, Jacobians, operations of your own, and differences to check them by.",
        ("derivatives", "differences", "custom"),
    ),
    "Training": (
        "The loop over a stack, what it says while it runs, and what it leaves.",
        ("training", "engines", "history"),
    ),
    "Looking inside": (
        "What a network computes, what that costs, and what it looks like.",
        ("observing", "health", "drawing", "profiling", "nn.counting", "answers"),
    ),
    "Files": ("Models in the safetensors format, without code.", ("saving",)),
    "Backends": ("What the arithmetic runs on.", ("backends", "errors")),
    "scikit-learn's interface": (
        "Estimators that fit into its pipelines.",
        ("estimators", "estimators.exchange", "estimators.comparing"),
    ),
    "Packages": ("Each has a page of its own.", ("",)),
}


def public(package: str) -> dict[str, str]:
    """Return the public names of a package, each with the module it is defined in.

    They are those of ``__all__``; without it, what is defined there without an underscore, and
    what is imported under the same name on purpose (``from x import y as y``).
    """
    module = import_module(package)
    if package == "accelnn":  # whose ``__all__`` leaves out what hides Python's own, as ``sum``
        names = [name for name in module._HOME if not name.startswith("__")]
    elif hasattr(module, "__all__"):
        names = [name for name in module.__all__ if not name.startswith("__")]
    else:
        names = [name for name in _written(module) if not name.startswith("_")]
        names = [name for name in names if not _SHARED.fullmatch(name)]
    homes = getattr(module, "_HOME", {}) if package == "accelnn" else {}
    found = {}
    for name in names:
        value = getattr(module, name)
        if name in homes:
            found[name] = homes[name] or ""
        elif isinstance(value, ModuleType):
            found[name] = ""
        else:
            found[name] = getattr(value, "__module__", None) or package
    return found


def _written(module: ModuleType) -> Iterator[str]:
    """Yield the names that a module defines or imports on purpose, in the order of its text."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.asname == alias.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (t.id for t in targets if isinstance(t, ast.Name))


def documented() -> dict[str, str]:
    """Return every public name, "accelnn.nn.Linear", with the one that documents it."""
    found: dict[str, str] = {}
    first: dict[int, str] = {}
    for package in packages():
        for name in public(package):
            value = getattr(import_module(package), name)
            full = f"{package}.{name}"
            if isinstance(value, ModuleType):
                found[full] = value.__name__
            elif callable(value):
                found[full] = first.setdefault(id(value), full)
            else:  # equal constants may be the same object
                found[full] = full
    for file, names in KERNELS.items():
        found |= {f"{REFERENCE}.{file}.{name}": f"{REFERENCE}.{file}.{name}" for name in names}
    return found


def packages() -> list[str]:
    """Return those of ``PACKAGES`` that exist."""
    return [p for p in PACKAGES if find_spec(p.rpartition(".")[0] or p) and find_spec(p)]


def groups(package: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (title, sentence, names) for each theme of a package."""
    homes = public(package)
    if package == "accelnn":
        for title, (sentence, modules) in THEMES.items():
            if names := [name for name, home in homes.items() if home in modules]:
                yield title, sentence, names
        homes = {n: h for n, h in homes.items() if not any(h in m for _, m in THEMES.values())}
        homes = {name: f"accelnn.{home}" for name, home in homes.items()}
    order = list(dict.fromkeys(homes.values()))
    for home in sorted(order, key=lambda home: not home.startswith(package)):  # its own first
        names = [name for name, of in homes.items() if of == home]
        if not home:
            yield "Packages", "Each has a page of its own.", names
        elif home.startswith("accelnn"):
            title = home.rpartition(".")[2].strip("_").replace("_", " ").capitalize()
            yield ("" if home == package else title), sentence_of(home), names
        else:
            yield "", "", names


def sentence_of(module: str) -> str:
    """Return the first sentence of a module's docstring."""
    text = (inspect.getdoc(import_module(module)) or "").partition("\n\n")[0]
    return " ".join(text.split())


def _module_of(value: Any) -> str:
    """Return where a value or its type comes from; "numpy" for what only refers to it."""
    if isinstance(value, type) or callable(value):
        return getattr(value, "__module__", None) or "builtins"
    return type(value).__module__


def page(package: str, documents: dict[str, str]) -> str:
    """Return the page of a package."""
    found = import_module(package)
    doc = inspect.getdoc(found) or ""
    lines = [package, "=" * len(package), "", f".. module:: {package}", ""]
    lines += [doc.partition("\n\nExamples\n---")[0], ""]
    for title, sentence, names in groups(package):
        if title:
            lines += [title, "-" * len(title), "", sentence, ""]
        own, modules, elsewhere, constants = [], [], [], []
        for name in names:
            target = documents[f"{package}.{name}"]
            value = getattr(found, name)
            if isinstance(value, ModuleType):
                modules.append(target)
            elif not _module_of(value).startswith(("accelnn", "builtins", "typing")):
                constants += [f".. py:data:: {name}", f"   :value: {value!r}", ""]
            else:
                (own if target == f"{package}.{name}" else elsewhere).append((name, target))
        classes = [name for name, _ in own if isinstance(getattr(found, name), type)]
        rest = [name for name, _ in own if name not in classes]
        for names_of, option in ((classes, ["   :toctree: names"]), (rest, [])):
            if names_of:
                lines += [".. autosummary::", *option, "   :nosignatures:", ""]
                lines += [f"   {name}" for name in names_of] + [""]
        for name in rest:
            kind = "function" if callable(getattr(found, name)) else "data"
            lines += [f".. auto{kind}:: {name}", ""]
        lines += [f"- ``{name}`` is :py:obj:`{target}`" for name, target in elsewhere] + [""]
        lines += constants
        lines += [f"- :py:mod:`{name}`: {sentence_of(name)}" for name in modules] + [""]
    return "\n".join(lines)


def kernels_page() -> str:
    """Return the page of the reference kernels, each with its formula."""
    lines = [REFERENCE, "=" * len(REFERENCE), "", f".. module:: {REFERENCE}", ""]
    lines += [inspect.getdoc(import_module(REFERENCE)) or "", ""]
    lines += ["The other folders hold the same names and take ``out=`` on top.", ""]
    for file, names in KERNELS.items():
        module = f"{REFERENCE}.{file}"
        title = file.capitalize()
        lines += [title, "-" * len(title), "", f".. module:: {module}", ""]
        lines += [inspect.getdoc(import_module(module)) or "", ""]
        lines += [f".. autofunction:: {module}.{name}" for name in names] + [""]
    return "\n".join(lines)


def commands_page() -> str:
    """Return what the commands of the command line say about themselves."""
    title = "The command line"
    lines = [title, "=" * len(title), "", ".. module:: accelnn.bench", ""]
    lines += ["``accelnn bench`` runs the package ``accelnn.bench``, which has no other entry.", ""]
    for path, command in commands(main, "accelnn"):
        context = click.Context(command, info_name=path, max_content_width=88)
        lines += [path, "-" * len(path), "", ".. code-block:: text", "   :class: output", ""]
        lines += [f"   {line}" for line in command.get_help(context).splitlines()] + [""]
    return "\n".join(lines)


def commands(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and those below it, each with the words that call it."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{path} {name}")


def write(app: Sphinx, config: Config) -> None:
    """Write the pages, before Sphinx looks which there are."""
    folder = Path(app.srcdir, "api")
    documents = documented()
    made = {package: page(package, documents) for package in packages()}
    made |= {REFERENCE: kernels_page(), "commands": commands_page()}
    for name, text in made.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text("utf-8") != text:  # spare the next build
            path.write_text(text, encoding="utf-8")
    config.autosummary_filename_map = other = file_names(set(documents.values()))
    for path in folder.rglob("*.rst"):  # of names that are gone, or no classes any more
        name = next((name for name, file in other.items() if file == path.stem), path.stem)
        of_class = name in documents and isinstance(_value(name), type)
        if path.stem not in made if path.parent == folder else not of_class:
            path.unlink()


def _value(name: str) -> Any:
    package, _, attribute = name.rpartition(".")
    return getattr(import_module(package), attribute)


def file_names(names: set[str]) -> dict[str, str]:
    """Return other file names for those that differ from another by case: tensor and Tensor."""
    lower: dict[str, list[str]] = {}
    for name in names:
        lower.setdefault(name.lower(), []).append(name)
    return {
        name: f"{name}-function"
        for same in lower.values()
        if len(same) > 1
        for name in same
        if name.rpartition(".")[2].islower()
    }


def foreign(
    app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out what a class has from scikit-learn, whose texts refer to pages of its own."""
    by = getattr(member, "__module__", None) or ""
    return True if by.startswith("sklearn") or name.endswith("_request") else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", write)
    app.connect("autodoc-skip-member", foreign)
    return {"version": accelnn.__version__, "parallel_read_safe": True}
