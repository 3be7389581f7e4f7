"""What a run of ``gpu_check`` found, as Markdown: for the screen and for the page about speed."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Goal(NamedTuple):
    """Something to be reached: at least, or at most, a number."""

    what: str
    value: float | None
    target: float
    at_least: bool
    unit: str

    @property
    def met(self) -> str:
        """Whether it is."""
        if self.value is None:
            return "not measured"
        good = self.value >= self.target if self.at_least else self.value <= self.target
        return "yes" if good else "no"


#: Peer -> least ratio at batch 128 in the same precision, and at batch 4096 in tf32.
RATIOS = {"torch eager": (12.0, 3.0), "torch graph": (3.0, 1.5), "jax scan": (3.0, 1.5)}
#: (batch, precision) -> most milliseconds of an epoch.
LIMITS = {("128", "tf32"): 8.0, ("128", "float32"): 12.0, ("4096", "tf32"): 2.0}
OVER_PRODUCTS = 1.15  # of an epoch in float32 at batch 4096


def goals(parts: dict[str, Any]) -> Iterator[Goal]:
    """Yield the goals of the project with what was reached."""
    epochs = _found(parts, "epochs")
    for optimizer in ("sgd", "adam"):
        for peer, (small, large) in RATIOS.items():
            for batch, precision, least in (
                ("128", "float32", small),
                ("128", "tf32", small),
                ("4096", "tf32", large),
            ):
                rows = _at(epochs, optimizer, batch)
                ratio = rows.get(f"{peer}, {precision}", {}).get("times accelnn")
                what = f"{optimizer}, batch {batch}, {precision}: {peer} / accelnn"
                yield Goal(what, ratio, least, True, "×")
        for (batch, precision), most in LIMITS.items():
            seconds = _epoch(epochs, optimizer, batch, precision)
            what = f"{optimizer}, batch {batch}, {precision}: an epoch"
            yield Goal(what, None if seconds is None else 1e3 * seconds, most, False, "ms")
        seconds = _epoch(epochs, optimizer, "4096", "float32")
        alone = (_at(_found(parts, "products"), "epoch", "4096").get("float32") or {}).get("median")
        over = seconds / alone if seconds is not None and alone else None
        what = f"{optimizer}, batch 4096, float32: an epoch / its products by cuBLAS"
        yield Goal(what, over, OVER_PRODUCTS, False, "×")


def lines(found: dict[str, Any]) -> list[str]:
    """Return all that was found."""
    parts, made = found["parts"], machine(found)
    tables: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "epochs": lambda epochs: [*epoch_table(epochs), "", *goal_table(parts)],
        "floor": floor_table,
        "products": product_table,
        "tile": tile_table,
        "accuracy": accuracy_table,
        "start": start_table,
        "uses": uses_table,
    }
    for name, render in tables.items():
        if parts.get(name, {}).get("found"):
            made += ["", *render(parts[name]["found"])]
    return [*made, "", *remarks(parts)]


def machine(found: dict[str, Any]) -> list[str]:
    """Return on what and when."""
    m = found["machine"]
    versions = [f"{name} {version}" for name, version in m["versions"].items() if version]
    data = _found(found["parts"], "epochs").get("data")
    return [
        f"{m['date']}: {m['device']}, compute capability {m['compute capability']}, driver for "
        f"CUDA {m['driver']}, {m['wheel']} for CUDA {m['runtime']}, Python {m['python']}, "
        f"{', '.join(versions)}.{f' Data: {data}.' if data else ''}"
    ]


def epoch_table(epochs: dict[str, Any]) -> list[str]:
    """Return the milliseconds of an epoch, and the ratio to accelnn in the same precision."""
    columns = [(o, b) for o in ("sgd", "adam") for b in _numbers(epochs.get(o, {}))]
    names = {name: None for o, b in columns for name in epochs[o][b]}  # in their order
    rows = []
    for name in names:
        cells = [name]
        for optimizer, batch in columns:
            row = epochs[optimizer][batch].get(name, {})
            cells.append(_ms(row.get("median")))
            if "times accelnn" in row and not name.startswith("accelnn,"):
                cells[-1] += f" ({row['times accelnn']:.2f} ×)"
            if row.get("agrees") is False:
                cells[-1] += ", another loss"
        rows.append(cells)
    return table(["an epoch, ms", *(f"{o}, batch {b}" for o, b in columns)], rows)


def goal_table(parts: dict[str, Any]) -> list[str]:
    """Return the goals, and whether they are met."""
    rows = []
    for goal in goals(parts):
        value = "" if goal.value is None else f"{goal.value:.3g} {goal.unit}"
        bound = f"{'≥' if goal.at_least else '≤'} {goal.target:g} {goal.unit}"
        rows.append([goal.what, value, bound, goal.met])
    return table(["goal", "measured", "bound", "met"], rows)


def floor_table(floor: dict[str, Any]) -> list[str]:
    """Return the microseconds of the smallest pieces."""
    rows = []
    for part, measured in floor.items():
        for name, row in (measured or {}).items():
            if isinstance(row, dict):
                rows.append([f"{part}, {name}", _us(row["median"])])
    return table(["floor", "µs"], rows)


def product_table(products: dict[str, Any]) -> list[str]:
    """Return the milliseconds of an epoch's products."""
    epoch = products.get("epoch", {})
    precisions = list(next(iter(epoch.values()), {}))
    rows = [
        [f"batch {batch}", *(_ms((epoch[batch].get(p) or {}).get("median")) for p in precisions)]
        for batch in _numbers(epoch)
    ]
    made = table(["the products of an epoch by cuBLAS, ms", *precisions], rows)
    for batch in _numbers(products.get("single", {})):
        single = products["single"][batch]
        names = next((list(row) for row in single.values() if row), [])
        rows = [
            [n, *(_us((single[p] or {}).get(n, {}).get("median")) for p in single)] for n in names
        ]
        made += ["", *table([f"a product at batch {batch}, µs", *single], rows)]
    return made


def tile_table(tile: dict[str, Any]) -> list[str]:
    """Return by how much cuBLAS is faster than the tile at each shape."""
    rows = [
        [
            f"{row['rows']} × {row['width']} × {row['width']}",
            f"{row['multiplications']:.3g}",
            f"{row['tile / library']:.2f}",
        ]
        for row in tile.get("shapes", [])
    ]
    made = table(["a step of two such layers", "multiplications", "tile / cuBLAS"], rows)
    if "library from" not in tile:
        return made
    wins = tile["library from"]
    verdict = "at no size" if wins is None else f"from {wins:.3g} multiplications on"
    return [
        *made,
        "",
        f"cuBLAS is faster {verdict}; the engine takes it from {tile['LIBRARY_FROM']:.3g} on.",
    ]


def accuracy_table(accuracy: dict[str, Any]) -> list[str]:
    """Return how far the ways are from NumPy, and how accurate what they train."""
    rows = []
    for way, first in accuracy.get("first steps", {}).items():
        cells = [way, "", "", "", ""]
        if first:
            cells[1] = f"{first['largest relative error']:.1e} {_mark(first['within'])}"
            cells[2] = "yes" if first["the same bits again"] else "no"
        for i, optimizer in enumerate(("sgd", "adam")):
            if row := accuracy.get(optimizer, {}).get(way):
                cells[3 + i] = f"{row['test accuracies'][-1]:.4f} {_mark(row['within'])}"
        rows.append(cells)
    heads = ["way", "first losses, from NumPy's", "same bits again"]
    return table([*heads, "test accuracy, sgd", "test accuracy, adam"], rows)


def start_table(start: dict[str, Any]) -> list[str]:
    """Return the seconds of the first call, the middle one of the runs."""
    caches = [cache for cache in ("cold", "warm") if start.get(cache)]
    names = list(start[caches[0]][0]) if caches else []
    middle = {
        c: {n: sorted(r[n] for r in start[c])[len(start[c]) // 2] for n in names} for c in caches
    }
    rows = [[name, *(f"{middle[cache][name]:.2f}" for cache in caches)] for name in names]
    return table(["first call of a process, s", *(f"{cache} cache" for cache in caches)], rows)


def uses_table(uses: dict[str, Any]) -> list[str]:
    """Return the milliseconds of other uses."""
    rows = []
    for name, row in (uses.get("predict") or {}).items():
        if isinstance(row, dict):
            rows.append([f"predict {uses['predict']['rows']} rows, {name}", _ms(row["median"])])
    if row := uses.get("estimator"):
        rows.append([f"MLPClassifier.fit, {row['epochs']} epochs", _ms(row["median"])])
    for name, row in (uses.get("streaming") or {}).items():
        if isinstance(row, dict):
            rows.append(
                [f"an epoch at batch {uses['streaming']['batch']}, data {name}", _ms(row["median"])]
            )
    return table(["other uses", "ms"], rows)


def remarks(parts: dict[str, Any]) -> list[str]:
    """Return how the tests went, and what failed or was left out."""
    made = []
    if counts := _found(parts, "tests").get("counts"):
        tests = parts["tests"]["found"]
        so_far = " until its time was up" if tests["ended at its time limit"] else ""
        made.append(f"- tests: {', '.join(f'{n} {what}' for what, n in counts.items())}{so_far}")
        made += [f"  - {line}" for line in tests["failures"]]
    if file := _found(parts, "suites").get("file"):
        states = Counter(_found(parts, "suites")["states"].values())
        said = ", ".join(f"{n} parts {state}" for state, n in states.items())
        made.append(f"- suites: {said}; the figures are in {file}, for `accelnn bench --report`")
    for library, why in _found(parts, "epochs").get("absent", {}).items():
        made.append(f"- {library} took no part: {why}")
    for name, part in parts.items():
        for failure in part["failures"]:
            last = failure["why"].strip().splitlines()[-1]
            made.append(f"- {name}: {failure['what']} failed: {last}")
        if part["left out"]:
            first = part["left out"][0]
            made.append(
                f"- {name}: left out {len(part['left out'])}, first {first['what']}: {first['why']}"
            )
    return made


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table of Markdown, numbers to the right of a first column."""
    rule = "|---|" + "---:|" * (len(heads) - 1)
    return [f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)]


def _found(parts: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = parts.get(name, {}).get("found", {})
    return found


def _at(found: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        found = found.get(key) or {}
    return found


def _epoch(epochs: dict[str, Any], optimizer: str, batch: str, precision: str) -> float | None:
    seconds: float | None = _at(epochs, optimizer, batch, f"accelnn, {precision}").get("median")
    return seconds


def _numbers(keyed: dict[str, Any]) -> list[str]:
    return sorted(keyed, key=int)


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else _digits(1e3 * seconds)


def _us(seconds: float | None) -> str:
    return "" if seconds is None else _digits(1e6 * seconds)


def _digits(value: float) -> str:
    """Return three digits, and never an exponent above."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _mark(within: bool) -> str:
    return "✓" if within else "✗"
