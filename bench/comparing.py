"""What became slower or faster between two runs, beyond the noise.

**The rule.** Of a case that both runs have, let ``r`` be the ratio of the medians, B's over A's. A
case has become slower if ``log r > limit`` and faster if ``log r < -limit``, where ::

    limit = max(log(1 + LEAST), t · s)        s² = s_A² (1 + π/2n_A) + s_B² (1 + π/2n_B)

``s_A`` is the deviation of one of A's n_A samples from the median, as a share of it, taken from the
quartiles, which a few outliers do not move: ``(q3 - q1) / median / 1.349``. Its 1 stands for the
luck of a process, which all of its samples share (memory addresses, clock, neighbours) and which is
taken to be as large as what they differ by, so that more samples do not remove it; what they remove
is the error of the median, π/2n. ``t`` is the quantile of Student's distribution that is exceeded
on either side with the probability ``ALPHA / cases``, for half the degrees of freedom that the
samples have together (Welch-Satterthwaite), as quartiles waste some of what samples say. So few
samples count for little, and with many cases, of which some lie far off by chance alone, more is
asked of each: of comparisons of equal runs, on noise that is as assumed here, about a share of
``ALPHA`` finds a change (``tests/bench/test_comparing.py``). Changes of less than ``LEAST`` are not
reported however sure they are. A case with fewer than ``FEWEST`` samples in either run is not
judged: nothing is known about its noise.
"""

import math
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from accelnn.bench.report.words import seconds

#: Changes below it are nobody's concern.
LEAST = 0.05
#: Probability that a comparison of two equal runs finds a change.
ALPHA = 0.05
#: Samples from which quartiles have a meaning.
FEWEST = 3
#: Interquartile range of a normal distribution, in standard deviations.
_QUARTILES = 1.349
#: Degrees of freedom of a sample, where only its quartiles are used: found by simulation.
_WORTH = 0.5

#: Of a case: suite, part, group and name.
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Case:
    """A case that both runs have.

    Attributes
    ----------
    key : (suite, part, group, name)
    before, after : float
        Medians in seconds.
    limit : float
        The ratio that it has to exceed, or fall below the inverse of; infinite where it cannot be
        judged.
    """

    key: Key
    before: float
    after: float
    limit: float

    @property
    def ratio(self) -> float:
        """Times the seconds of before."""
        return self.after / self.before

    @property
    def verdict(self) -> str:
        """What became of it: "slower", "faster", "unchanged" or "not judged"."""
        if not math.isfinite(self.limit):
            return "not judged"
        if self.ratio > self.limit:
            return "slower"
        return "faster" if self.ratio < 1 / self.limit else "unchanged"


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes
    ----------
    cases : list of Case
        That both have.
    only_before, only_after : list of Key
    warnings : list of str
        What makes the comparison doubtful.
    """

    cases: list[Case]
    only_before: list[Key]
    only_after: list[Key]
    warnings: list[str]

    def of(self, verdict: str) -> list[Case]:
        """Return the cases of one verdict, the largest change first."""
        chosen = [case for case in self.cases if case.verdict == verdict]
        return sorted(chosen, key=lambda case: -abs(math.log(case.ratio)))

    @property
    def status(self) -> int:
        """Exit status: 0 nothing slower, 1 something slower, 2 nothing to compare."""
        if all(case.verdict == "not judged" for case in self.cases):
            return 2
        return 1 if self.of("slower") else 0

    def table(self) -> Table:
        """Return what changed, as a table."""
        made = Table("part", "case", title="what changed beyond the noise")
        for name in ("before", "after", "time", "noise"):
            made.add_column(name, justify="right", no_wrap=True)
        for case in (*self.of("slower"), *self.of("faster")):
            suite, part, group, name = case.key
            label = name if group in name else f"{group}: {name}"
            times = seconds(case.before), seconds(case.after)
            made.add_row(
                f"{suite}/{part}", label, *times, f"× {case.ratio:.2f}", f"× {case.limit:.2f}"
            )
        return made

    def lines(self) -> list[str]:
        """Return what stands beside the table."""
        counts = [f"{len(self.of(v))} {v}" for v in ("slower", "faster", "unchanged")]
        said = [f"warning: {warning}" for warning in self.warnings]
        said.append(f"{len(self.cases)} cases in both: {', '.join(counts)}")
        if few := self.of("not judged"):
            said.append(f"{len(few)} with too few samples to tell: {_names([c.key for c in few])}")
        if self.only_before:
            said.append(f"only in the first: {_names(self.only_before)}")
        if self.only_after:
            said.append(f"only in the second: {_names(self.only_after)}")
        return said


def compare(before: dict[str, Any], after: dict[str, Any]) -> Comparison:
    """Compare two runs, case by case."""
    first, second = by_key(before), by_key(after)
    both = [key for key in first if key in second]
    cases = []
    for key in both:
        a, b = first[key]["stats"], second[key]["stats"]
        medians = a["median"], b["median"]
        usable = min(medians) > 0 and min(a["rounds"], b["rounds"]) >= FEWEST
        cases.append(Case(key, *medians, limit(a, b, len(both)) if usable else math.inf))
    return Comparison(
        [case for case in cases if min(case.before, case.after) > 0],
        [key for key in first if key not in second],
        [key for key in second if key not in first],
        differences(before, after),
    )


def by_key(run: dict[str, Any]) -> dict[Key, Any]:
    """Return the cases of a run by what names them."""
    found = {}
    for each in run["benchmarks"]:
        info = each["extra_info"]
        where = str(info.get("suite", "")), str(info.get("part", ""))
        found[(*where, str(each["group"] or ""), str(each["name"]))] = each
    return found


def limit(a: dict[str, Any], b: dict[str, Any], cases: int) -> float:
    """Return the ratio of the medians that is beyond the noise; see the rule above."""
    from scipy.stats import t as student

    rounds = a["rounds"], b["rounds"]
    samples = [deviation(stats) ** 2 for stats in (a, b)]
    variances = [v * (1 + math.pi / (2 * n)) for v, n in zip(samples, rounds, strict=True)]
    total = sum(variances)
    if total == 0:
        return 1 + LEAST
    pairs = zip(variances, rounds, strict=True)
    freedom = total**2 / sum(v**2 / (_WORTH * (n - 1)) for v, n in pairs)
    quantile = float(student.isf(ALPHA / (2 * cases), freedom))
    return max(1 + LEAST, math.exp(min(quantile * math.sqrt(total), 700.0)))


def deviation(stats: dict[str, Any]) -> float:
    """Return how far a sample lies from the median, as a share of it."""
    return float((stats["q3"] - stats["q1"]) / stats["median"] / _QUARTILES)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return in what two runs differ: machine, versions, and what was asked for."""
    found = []
    asked = [run["accelnn"].get("settings", {}) for run in (before, after)]
    for name in ("scale", "network", "batches", "shapes", "machine", "accelnn"):
        found += _differ(name, *(settings.get(name) for settings in asked))
    facts = [run["machine_info"].get("accelnn", {}) for run in (before, after)]
    for name in ("python", "system", "cores", "memory", "versions"):
        found += _differ(name, *(known.get(name) for known in facts))
    return found


def _differ(name: str, a: Any, b: Any) -> list[str]:
    if a == b:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        return [line for key in {**a, **b} for line in _differ(key, a.get(key), b.get(key))]
    return [f"{name} differs: {a} and {b}"]


def _names(keys: list[Key], most: int = 10) -> str:
    names = [f"{suite}/{part} {name}" for suite, part, _, name in keys]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
