"""The facts about the machines, as far as the runs know them."""

from collections.abc import Iterator, Sequence
from typing import Any

from accelnn.bench.report.data import Run
from accelnn.bench.report.exhibit import Table
from accelnn.bench.report.words import count, plain


def facts_table(runs: Sequence[Run]) -> Table:
    """Return a row for each fact and a column for each machine."""
    found = [dict(_facts(run)) for run in runs]
    keys = list(dict.fromkeys(key for facts in found for key in facts))
    rows = [[key, *(facts.get(key, "–") for facts in found)] for key in keys]
    return Table(["fact", *(run.name for run in runs)], rows)


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    yield "date", run.date or "not recorded"
    yield "scale", ", ".join(run.scales) or "not recorded"
    yield from flat(run.facts or _own(run))
    yield from flat(run.settings, "settings")
    for part, each in run.parts.items():
        for backend, limits in (each.get("ceilings") or {}).items():
            yield from flat(limits, f"ceiling of {backend}, measured by {part}")


def _own(run: Run) -> dict[str, Any]:
    """Return what pytest-benchmark itself knows, where accelnn's facts are missing."""
    info = run.document.get("machine_info") or {}
    return {key: value for key, value in info.items() if key not in ("accelnn", "node")}


def flat(facts: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested facts as rows: {"blas": {"threads": 2}} -> ("blas, threads", "2")."""
    pairs: list[tuple[str, Any]]
    if isinstance(facts, dict):
        pairs = [(str(key), value) for key, value in facts.items()]
    elif isinstance(facts, list | tuple) and any(isinstance(e, dict | list) for e in facts):
        pairs = [(_title(each, i), each) for i, each in enumerate(facts)]
    else:
        yield before, _text(facts)
        return
    for key, value in pairs:
        yield from flat(value, f"{before}, {key}" if before else key)


def _title(fact: Any, place: int) -> str:
    named = isinstance(fact, dict) and isinstance(fact.get("name"), str)
    return str(fact["name"]) if named else str(place + 1)


def _text(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if abs(value) < 10_000 else count(value)
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value) or "none"
    return str(value)
