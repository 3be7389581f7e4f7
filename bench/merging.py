"""One run from the JSON of its parts, and runs read from files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from accelnn.bench.running import Outcome

#: The file of a whole run.
NAME = "bench.json"


def merge(runs: Iterable[dict[str, Any]], outcomes: Iterable[Outcome] = ()) -> dict[str, Any]:
    """Return one run in pytest-benchmark's format.

    Parameters
    ----------
    runs : iterable of dict
        What the parts wrote, in the order in which they are to appear; at least one, all with the
        same settings.
    outcomes : iterable of Outcome
        Of parts that wrote nothing, because all was skipped or something failed.
    """
    first, *others = runs = list(runs)
    merged = {**first, "datetime": max(run["datetime"] for run in runs)}
    merged["benchmarks"] = [each for run in runs for each in run["benchmarks"]]
    parts = dict(first["accelnn"]["parts"])
    for run in others:
        if run["accelnn"]["settings"] != first["accelnn"]["settings"]:
            raise ValueError("parts that were measured with different settings are not one run")
        parts |= run["accelnn"]["parts"]
    scale = first["accelnn"]["settings"]["scale"]
    for outcome in outcomes:
        if outcome.state in ("not run", "failed"):
            parts[outcome.part.label] = {
                "scale": scale,
                "seconds": outcome.seconds,
                "ceilings": {},
                "not_run": outcome.reasons,
                "failed": outcome.state == "failed",
            }
    merged["accelnn"] = {**first["accelnn"], "parts": parts}
    return merged


def read_run(path: Path) -> dict[str, Any]:
    """Return the run in a file, or in the folder that ``accelnn bench`` wrote.

    Raises
    ------
    ValueError
        Where there is no file, or no run in it.
    """
    file = path / NAME if path.is_dir() else path
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("benchmarks"), list):
        raise ValueError(f"{file} is not what `accelnn bench` writes: it has no benchmarks")
    if "accelnn" not in found:
        raise ValueError(f"{file} was not written by the suites of accelnn")
    return found
