"""Write the figures of the recorded runs into the tables of the documents.

``python -m accelnn.bench.table``, from the root of the repository. A table stands in its page
between ``<!-- table: NAME -->`` and ``<!-- end -->``; what stands there is replaced. Those of
``docs/performance.md`` are made here, those of ``docs/parallel-matmul.md``, and with a run of one
suite alone of ``docs/from-scikit-learn.md`` and ``docs/measuring.md``, in ``argument.py``.
"""

import argparse
import json
import re
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from accelnn.bench.argument import filled
from accelnn.bench.gpu_report import lines as gpu_lines
from accelnn.bench.gpu_report import table
from accelnn.bench.merging import read_run
from accelnn.paths import replace_file

RESULTS, DOCS = Path("bench/results"), Path("docs")
#: What is read; ``python -m accelnn.bench.NAME`` makes it.
RUNS = ("peers", "ratios")
#: What is read where it exists; ``python -m accelnn.bench.gpu_check`` makes it on a GPU.
GPU = "gpu"
#: What ``accelnn bench estimators`` wrote, for the page about them.
ESTIMATORS = "estimators.json"
#: What ``accelnn bench graph`` wrote, where it exists.
GRAPH = "graph.json"
#: Headings for the makers of products.
MAKERS = {"accelnn numba": "accelnn", "numpy": "NumPy (OpenBLAS)", "torch": "PyTorch (MKL)"}
FLOOR = "floor: the products at the micro-kernel's speed"
FASTER = "times the speed of the faster peer"

_MARKED = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def recorded(results: Path) -> dict[str, Any]:
    """Return what the runs wrote; all but that on a GPU must be of one machine."""
    found: dict[str, Any] = {}
    for name in RUNS:
        path = results / f"{name}.json"
        if not path.exists():
            command = f"python -m accelnn.bench.{name} --out {path}"
            raise FileNotFoundError(f"{path} does not exist; this command makes it: {command}")
        found[name] = json.loads(path.read_text(encoding="utf-8"))
    if len(machines := {computer(found[name]["machine"]) for name in RUNS}) > 1:
        raise ValueError(f"the runs are of different machines: {'; '.join(sorted(machines))}")
    path = results / f"{GPU}.json"
    found[GPU] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def computer(m: dict[str, Any]) -> str:
    """Return what has to be the same in all runs."""
    cpu, compiler = m["backends"][:2]
    return (
        f"{cpu['device']}, {m['cores']} cores, Python {m['python']}, NumPy {cpu['version']} with "
        f"{cpu['blas']}, Numba {compiler['version']}"
    )


def speed(gflops: float) -> str:
    """Return three digits, and never an exponent above."""
    return f"{gflops:.0f}" if gflops >= 100 else f"{gflops:.3g}"


def ratio(row: dict[str, Any]) -> float:
    """Return the ratio to whom the row was compared with."""
    return next(float(value) for key, value in row.items() if key.startswith("times "))


def by_optimizer(found: dict[str, Any], head: str, to: str, unit: str, scale: float) -> list[str]:
    """Return a table of times, for SGD and Adam."""
    form = ".1f" if scale > 1 else ".2f"
    rows = []
    for name in found["sgd"]:
        cells = [FLOOR if name == "floor" else name]
        for each in (found["sgd"][name], found["adam"][name]):
            cells += [f"{scale * each['median']:{form}}", f"{ratio(each):.2f}"]
        rows.append(cells)
    return table([head, f"SGD, {unit}", f"× {to}", f"Adam, {unit}", f"× {to}"], rows)


def machine(found: dict[str, Any]) -> list[str]:
    """Return on what, when and how undisturbed."""
    peers = found["peers"]
    m = peers["machine"]
    others = peers["cores of others"].values()
    instructions = ", ".join(name for name, there in (m["flags"] or {}).items() if there)
    asked = ("torch", "PyTorch"), ("jaxlib", "JAX"), ("scikit-learn", "scikit-learn")
    versions = [f"{label} {m['versions'][name]}" for name, label in asked if m["versions"][name]]
    made = [f"{m['time']}: {computer(m)}, {', '.join(versions)}."]
    made += [f"Instructions: {instructions}."] if instructions else []
    made += [f"{peers['rounds']} rounds beside peers."]
    return [*made, f"Other programs used up to {max(others):.2f} cores meanwhile."]


def epochs(found: dict[str, Any]) -> list[str]:
    """Return the seconds of an epoch."""
    epoch = found["peers"]["epochs"]
    return by_optimizer(epoch, f"{epoch['data']}, {epoch['rows']} rows", "ours", "s", 1)


def precisions(found: dict[str, Any]) -> list[str]:
    """Return the seconds of an epoch in both dtypes."""
    return by_optimizer(found["peers"]["precisions"], "accelnn numba", "float32", "s", 1)


def products(found: dict[str, Any]) -> list[str]:
    """Return the speeds of all products but those of odd sizes."""
    rows = [row for row in found["peers"]["products"]["products"] if row["group"] != "odd"]
    makers = list(rows[0]["GFLOP/s"])
    lines = []
    for group, members in groupby(rows, key=lambda row: str(row["group"])):
        for row in members:
            form = "NT"[row["ta"]] + "NT"[row["tb"]]
            size = f"{row['n']} × {row['k']} × {row['m']}"
            speeds = [speed(row["GFLOP/s"][name]) for name in makers]
            lines.append([f"{group}, {form} {size}", *speeds, f"{row[FASTER]:.2f}"])
    heads = ["GFLOP/s, n × k × m", *(MAKERS[name] for name in makers), "× faster peer"]
    return table(heads, lines)


def odd(found: dict[str, Any]) -> list[str]:
    """Return the ratios of the odd sizes."""
    ratios: dict[str, list[float]] = {"NN": [], "TN": [], "NT": []}
    for row in found["peers"]["products"]["products"]:
        if row["group"] == "odd":
            ratios["NT"[row["ta"]] + "NT"[row["tb"]]].append(row[FASTER])
    lines = [
        [f"{form}, {len(each)} sizes", f"{min(each):.2f}", f"{median(each):.2f}"]
        for form, each in ratios.items()
        if each
    ]
    return table(["odd sizes, × faster peer", "lowest", "median"], lines)


def row_forward(found: dict[str, Any]) -> list[str]:
    """Return the microseconds of the forward pass of one row."""
    rows = found["peers"]["row"]
    lines = [[k, f"{1e6 * v['median']:.1f}", f"{ratio(v):.2f}"] for k, v in rows.items()]
    return table(["one row of 784-512-512-10", "µs", "× ours"], lines)


def step(found: dict[str, Any]) -> list[str]:
    """Return the microseconds of a step of a tiny network."""
    return by_optimizer(found["peers"]["step"], "a step of 4-16-3, batch 32", "ours", "µs", 1e6)


def start(found: dict[str, Any]) -> list[str]:
    """Return what is paid once in a process, and a search in several."""
    run = found["ratios"]
    share = run["imports"]["import accelnn / import numpy"]
    lines = [["`import accelnn` / `import numpy`, whole processes", f"{share:.2f}"]]
    for name, row in run["first fit"].items():
        lines.append([f"first Numba fit of a process, {name}", f"{row['median']:.1f} s"])
    share = run["search"]["accelnn / scikit-learn"]
    lines.append(["`GridSearchCV(n_jobs=2)`, six fits, accelnn / scikit-learn", f"{share:.2f}"])
    return table(["start, and several processes", ""], lines)


def gpu(found: dict[str, Any]) -> list[str]:
    """Return what a GPU has measured, or that none has."""
    return ["Not measured yet."] if found[GPU] is None else gpu_lines(found[GPU])


TABLES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "machine": machine,
    "epochs": epochs,
    "precisions": precisions,
    "products": products,
    "odd": odd,
    "row": row_forward,
    "step": step,
    "start": start,
    "gpu": gpu,
}


def performance(page: str, found: dict[str, Any]) -> str:
    """Return ``docs/performance.md`` with what ``recorded`` returned in its tables."""
    names = [match[2] for match in _MARKED.finditer(page)]
    if sorted(names) != sorted(TABLES):
        raise ValueError(f"the page has the tables {names}; it must have {list(TABLES)}, each once")
    return render(page, lambda name: TABLES[name](found))


def argument(page: str, run: dict[str, Any]) -> str:
    """Return a page with what it shows of a run of ``accelnn bench``."""
    return render(page, partial(filled, run))


def graph(page: str, results: Path) -> str:
    """Return ``docs/measuring.md`` with what the graph costs, or that nobody has measured it."""
    if (path := results / GRAPH).exists():
        return argument(page, read_run(path))
    return render(page, lambda name: ["Not measured yet."])


def render(page: str, lines: Callable[[str], list[str]]) -> str:
    """Return a page with the lines for each name between its marks."""

    def between(match: re.Match[str]) -> str:
        return "\n".join((match[1], *lines(match[2]), "", match[3]))

    return _MARKED.sub(between, page)


def main(arguments: list[str] | None = None) -> None:
    """Write the pages anew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the pages")
    options = parser.parse_args(arguments)
    try:
        found, run = recorded(options.results), read_run(options.results)
        estimators = read_run(options.results / ESTIMATORS)
        for name, fill, figures in (
            ("performance.md", performance, found),
            ("parallel-matmul.md", argument, run),
            ("from-scikit-learn.md", argument, estimators),
        ):
            path = options.docs / name
            replace_file(path, fill(path.read_text(encoding="utf-8"), figures).encode())
        path = options.docs / "measuring.md"
        page = graph(path.read_text(encoding="utf-8"), options.results)
        replace_file(path, page.encode())
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
