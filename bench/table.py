"""Write the figures of the recorded runs into the tables of ``docs/performance.md``.

``python -m accelnn.bench.table``, from the root of the repository. A table stands in the page
between ``<!-- table: NAME -->`` and ``<!-- end -->``; what stands there is replaced.
"""

import argparse
import json
import re
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from accelnn.bench.gpu_report import lines as gpu_lines
from accelnn.bench.gpu_report import table
from accelnn.paths import replace_file

RESULTS, PAGE = Path("bench/results"), Path("docs/performance.md")
#: What is read; ``python -m accelnn.bench.NAME`` makes it.
RUNS = ("peers", "ladder", "ratios")
#: What is read where it exists; ``python -m accelnn.bench.gpu_check`` makes it on a GPU.
GPU = "gpu"
#: Headings for the makers of products.
MAKERS = {"accelnn numba": "accelnn", "numpy": "NumPy (OpenBLAS)", "torch": "PyTorch (MKL)"}
FLOOR = "floor: the products at the micro-kernel's speed"
#: Of the ladder's rows.
RUNGS = {
    "python_loops": "three loops in Python",
    "naive": "three loops, compiled",
    "reordered": "loops in another order",
    "blocked": "blocks of B",
    "tiled": "tiles of C in registers",
    "parallel": "tiles, all threads",
    "accelnn, 1 thread": "accelnn's product, 1 thread",
    "accelnn": "accelnn's product, all threads",
    "numpy": "NumPy's product",
    "micro-kernel, 1 thread": "micro-kernel alone, 1 thread",
    "micro-kernel": "micro-kernel alone, all threads",
}
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
    others = [*peers["cores of others"].values(), found["ladder"].get("cores of others", 0.0)]
    instructions = ", ".join(name for name, there in (m["flags"] or {}).items() if there)
    asked = ("torch", "PyTorch"), ("jaxlib", "JAX"), ("scikit-learn", "scikit-learn")
    versions = [f"{label} {m['versions'][name]}" for name, label in asked if m["versions"][name]]
    made = [f"{m['time']}: {computer(m)}, {', '.join(versions)}."]
    made += [f"Instructions: {instructions}."] if instructions else []
    made += [f"{peers['rounds']} rounds beside peers, {found['ladder']['rounds']} of the ladder."]
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


def ladder(found: dict[str, Any]) -> list[str]:
    """Return the speeds of the rungs, product by product."""
    made: list[str] = []
    for size, rungs in found["ladder"]["products"].items():
        lines = []
        for name, row in rungs.items():
            cells = [RUNGS[name], speed(row["GFLOP/s"])]
            share, gain = row.get("share of the micro-kernel"), row.get("gain")
            cells.append("" if share is None else f"{100 * share:.3g} %")
            cells.append(f"{speed(gain)} × {RUNGS[row['before']]}" if gain else "")
            lines.append(cells)
        heads = [size.replace(" x ", " × "), "GFLOP/s", "of the micro-kernel", "gain"]
        made += [*([""] if made else []), *table(heads, lines)]
    return made


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
    "ladder": ladder,
    "start": start,
    "gpu": gpu,
}


def render(page: str, found: dict[str, Any]) -> str:
    """Return the page with what ``recorded`` returned in its tables."""
    names = [match[2] for match in _MARKED.finditer(page)]
    if sorted(names) != sorted(TABLES):
        raise ValueError(f"the page has the tables {names}; it must have {list(TABLES)}, each once")

    def filled(match: re.Match[str]) -> str:
        lines = TABLES[match[2]](found)
        return "\n".join((match[1], *lines, "", match[3]))

    return _MARKED.sub(filled, page)


def main(arguments: list[str] | None = None) -> None:
    """Write the page anew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write anew")
    options = parser.parse_args(arguments)
    page = options.page.read_text(encoding="utf-8")
    try:
        text = render(page, recorded(options.results))
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    replace_file(options.page, text.encode())


if __name__ == "__main__":
    main()
