"""The house rules: which room may import from which, and what an import must not load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: From the bottom up; a module imports from its own row and those above it here, never below.
ROWS = [
    {"errors", "paths", "changes", "graph", "seeding", "dtypes"},
    {"kernels"},
    {"backends"},
    {"devices", "cuda"},
    {"operators"},
    {"autograd", "roofline", "tracing"},
    {"profiling"},
    {"creation", "sampling", "custom", "derivatives"},
    {"functions", "differences", "nn", "optim"},
    {"answers"},
    {"lowering", "checking", "history", "row_weights", "windows", "observing"},
    {"health", "utils"},
    {"program"},
    {"engines"},
    {"training", "drawing"},
    {"estimators"},
    {"saving", "tensorfile"},
    {"mnist_job"},
    {"cli"},
    {"__main__"},
]
RANK: dict[str, float] = {name: rank for rank, row in enumerate(ROWS) for name in row}
RANK["tensorfile"] = 0.5  # needs errors and paths, nothing else

#: Room -> libraries it may name. Everything else is the standard library.
LIBRARIES = {
    "kernels/reference": set(),
    "kernels/on_numpy": {"numpy"},
    "kernels/on_numba": {"numpy", "numba", "llvmlite"},  # llvmlite is a part of Numba
    "kernels/on_cupy": {"numpy", "cupy", "cupyx", "cuda"},
    "kernels": {"numpy"},
    "backends": {"numpy", "cupy", "cupy_backends", "cuda"},
    "optim": set(),
    "estimators": {"numpy", "sklearn", "scipy"},
    "estimators/_drawing": {"sklearn", "matplotlib"},
    "estimators/_loss_curve": {"numpy", "sklearn", "matplotlib"},
    "datasets/download": {"rich"},
    "datasets/digits": {"numpy", "sklearn"},
    "cli": {"click", "rich"},
    "mnist_job": {"rich"},
}
DEFAULT = {"numpy"}

FILES = sorted(
    [p for p in (ROOT / "accelnn").glob("**/*.py") if not {"bench", "kernels"} & set(p.parts)]
    + list((ROOT / "kernels").glob("**/*.py"))
)


def name_of(path: Path) -> str:
    """``accelnn/nn/linear.py`` -> ``nn/linear``, ``kernels/cost.py`` -> ``kernels/cost``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "/".join(parts[1:] if parts[0] == "accelnn" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports anywhere, but for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            if node.module == "accelnn":
                yield from (f"accelnn.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room_of(module: str) -> str:
    """``accelnn.nn.linear`` -> ``nn``."""
    return module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_point_down(path: Path) -> None:
    room = name_of(path).split("/")[0]
    if name_of(path) == "__init__":
        return  # the front door names every room, lazily
    allowed = {"errors", "paths", "datasets"} if room == "datasets" else None
    for module in imports(path):
        if not module.startswith("accelnn.") or room_of(module) == room:
            continue
        target = room_of(module)
        assert target != "bench", f"{path} imports {module}"
        if allowed is not None:
            assert target in allowed, f"datasets needs only errors and paths, not {module}"
        elif target == "datasets":
            assert room in ("mnist_job", "cli"), f"{path} imports {module}"
        elif room in RANK and target in RANK:
            assert RANK[target] <= RANK[room], f"{room} must not import {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_libraries(path: Path) -> None:
    name = name_of(path)
    rooms = [room for room in LIBRARIES if name == room or name.startswith(room + "/")]
    allowed = LIBRARIES[max(rooms, key=len)] if rooms else DEFAULT
    for module in imports(path):
        library = module.split(".")[0]
        if library == "accelnn" or library in sys.stdlib_module_names:
            continue
        assert library in allowed, f"{name} must not import {library}"


def test_every_room_has_a_row() -> None:
    rooms = {name_of(path).split("/")[0] for path in FILES} - {"__init__", "datasets"}
    assert rooms == set(RANK)


def test_no_public_name_is_a_submodule() -> None:
    import accelnn

    functions = {name for name, home in accelnn._HOME.items() if home is not None}
    modules = {p.stem for p in (ROOT / "accelnn").iterdir()} | {"kernels", "bench"}
    assert not functions & modules


def test_public_names_exist() -> None:
    import accelnn

    for name in accelnn.__all__:
        assert getattr(accelnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Tensro'"):
        accelnn.Tensro  # noqa: B018


LIGHT = ["numba", "cupy", "sklearn", "scipy", "click", "rich", "llvmlite"]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import accelnn", [*LIGHT, "numpy"]),
        ("import accelnn; accelnn.Tensor([1.0]); accelnn.nn; accelnn.optim", LIGHT),
        ("import accelnn; accelnn.train", LIGHT),
        ("import accelnn; accelnn.list_backends()", ["numba", "sklearn", "scipy", "click"]),
        ("import accelnn.datasets", LIGHT),
        ("import accelnn\nwith accelnn.profile(): accelnn.Tensor([1.0])", LIGHT),
        ("import accelnn; accelnn.roofline.ceilings", LIGHT),
        ("from accelnn import MLPClassifier", ["numba", "cupy", "click"]),
    ],
)
def test_what_an_import_leaves_out(statement: str, absent: list[str]) -> None:
    code = f"{statement}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
