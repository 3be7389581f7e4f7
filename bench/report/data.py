"""What the report reads: the JSON of a run as cases, ceilings and reasons, whatever is missing."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from accelnn.bench.measuring import NOISY


def number(value: Any) -> float | None:
    """Return a finite number, or None for everything else that JSON can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def positive(value: Any) -> float | None:
    """Return a finite number above zero, or None; what a logarithm can show."""
    found = number(value)
    return found if found is not None and found > 0 else None


@dataclass(frozen=True)
class Case:
    """One benchmark.

    Attributes
    ----------
    who, group : str
        The competitor as a reader should see it, and with whom it is compared.
    median, low, high : float or None
        Seconds; low and high are the quartiles. None where nothing was timed.
    spread : float or None
    noisy : bool
    extra : dict
        ``extra_info`` as it stands.
    """

    who: str
    group: str
    median: float | None
    low: float | None
    high: float | None
    spread: float | None
    noisy: bool
    extra: dict[str, Any]

    def number(self, key: str) -> float | None:
        """Return a finite number of ``extra_info``, or None."""
        return number(self.extra.get(key))

    def text(self, key: str) -> str:
        """Return a value of ``extra_info`` as text, empty where there is none."""
        value = self.extra.get(key)
        if isinstance(value, list | tuple):  # the widths of a network
            return "-".join(map(str, value))
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return ""
        return str(value)

    def records(self, key: str) -> list[dict[str, Any]]:
        """Return a list of records of ``extra_info``, empty where there is none."""
        found = self.extra.get(key)
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def label(self, *keys: str) -> str:
        """Return "numba, sgd, batch 128" of the keys that the case has."""
        words = [
            f"batch {self.text(key)}" if key == "batch" else self.text(key)
            for key in keys or ("backend", "optimizer", "batch")
        ]
        return ", ".join(word for word in words if word not in ("", "batch ")) or self.who

    @property
    def rate(self) -> float | None:
        """Floating-point operations per second."""
        flops = positive(self.number("flops"))
        return flops / self.median if flops and self.median else None


@dataclass(frozen=True)
class Ceiling:
    """The measured limits of a backend: operations per second and bytes per second."""

    flops: float
    bandwidth: float

    def roof(self, intensity: float) -> float:
        """Return the operations per second that this many operations per byte allow."""
        return min(self.flops, self.bandwidth * intensity)


class Run:
    """A merged JSON document.

    Parameters
    ----------
    document : dict
    name : str
        The machine, as sentences and tables call it.
    """

    def __init__(self, document: dict[str, Any], name: str) -> None:
        self.name = name
        self.document = document
        info = document.get("accelnn") or {}
        self.settings: dict[str, Any] = info.get("settings") or {}
        self.parts: dict[str, dict[str, Any]] = {
            key: part or {} for key, part in (info.get("parts") or {}).items()
        }
        self._cases: dict[str, list[Case]] = {}
        for bench in document.get("benchmarks") or []:
            extra = bench.get("extra_info") or {}
            key = f"{extra.get('suite')}/{extra.get('part')}"
            self._cases.setdefault(key, []).append(_case(bench, extra))

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of the machine."""
        found = (self.document.get("machine_info") or {}).get("accelnn")
        return found if isinstance(found, dict) else {}

    @property
    def date(self) -> str:
        """When the run was made, to the minute."""
        return str(self.document.get("datetime") or "").replace("T", " ")[:16]

    @property
    def scales(self) -> list[str]:
        """The scales of its parts: one, or several where a run was put together."""
        found = [part.get("scale") for part in self.parts.values()]
        return list(dict.fromkeys(str(scale) for scale in found if scale))

    @property
    def others(self) -> float:
        """The most cores that other programs used during one of its parts."""
        found = (number(part.get("cores of others")) for part in self.parts.values())
        return max((cores for cores in found if cores is not None), default=0.0)

    def ran(self, part: str) -> bool:
        """Return whether this part was run at all."""
        return part in self.parts or part in self._cases

    def cases(self, part: str) -> list[Case]:
        """Return the cases of a part that have a time."""
        return [case for case in self._cases.get(part, []) if case.median]

    def not_run(self, part: str) -> list[tuple[str, list[str]]]:
        """Return the reasons why cases were left out, each with the names of the cases."""
        found: dict[str, list[str]] = {}
        known = self.parts.get(part, {})
        for each in known.get("not_run") or []:
            reason = str(each.get("reason") or "no reason was recorded")
            if known.get("failed"):
                reason = f"it failed: {reason}"
            found.setdefault(reason, []).append(_bare(str(each.get("name") or "a case")))
        return list(found.items())

    def ceilings(self, *parts: str) -> dict[str, Ceiling]:
        """Return the measured limits by backend, from the first of the parts that has them."""
        found: dict[str, Ceiling] = {}
        for part in parts:
            for backend, each in (self.parts.get(part, {}).get("ceilings") or {}).items():
                flops, bandwidth = (positive((each or {}).get(k)) for k in ("flops", "bandwidth"))
                if flops and bandwidth:
                    found.setdefault(backend, Ceiling(flops, bandwidth))
        return found


def _bare(name: str) -> str:
    """Return "CuPy" of "test_rungs[CuPy]"."""
    return re.sub(r"^test_\w+\[(.*)\]$", r"\1", name)


def _case(bench: dict[str, Any], extra: dict[str, Any]) -> Case:
    stats = bench.get("stats") or {}
    spread = number(extra.get("spread"))
    noisy = extra.get("noisy")
    return Case(
        who=str(extra.get("who") or bench.get("name") or "?"),
        group=str(bench.get("group") or ""),
        median=positive(stats.get("median")),
        low=positive(stats.get("q1")),
        high=positive(stats.get("q3")),
        spread=spread,
        noisy=bool(spread is not None and spread > NOISY) if noisy is None else bool(noisy),
        extra=extra,
    )


def read(documents: Iterable[dict[str, Any]]) -> list[Run]:
    """Return the runs; two of the same name get a number each."""
    documents = list(documents)
    names = [machine(each) for each in documents]
    return [
        Run(each, name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})")
        for i, (each, name) in enumerate(zip(documents, names, strict=True))
    ]


def machine(document: dict[str, Any]) -> str:
    """Return what to call the machine of a run: its processor, and its GPU where it has one."""
    info = document.get("machine_info") or {}
    facts = info.get("accelnn") or {}
    devices = [
        str(each["device"])
        for each in facts.get("backends") or []
        if isinstance(each, dict) and each.get("usable") and each.get("device")
    ]
    own = info.get("cpu")
    if not devices:
        devices = [str((own if isinstance(own, dict) else {}).get("brand_raw") or "this machine")]
    cores = positive(facts.get("cores"))
    first, *others = dict.fromkeys(devices)
    counted = f"{first}, {cores:g} core{'s' if cores > 1 else ''}" if cores else first
    return " + ".join((counted, *others))
