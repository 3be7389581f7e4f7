"""Numbers and lists as the sentences and tables of the report write them."""

import math
from collections.abc import Iterable, Sequence

from accelnn.bench.report.data import Case

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BYTES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes"))


def plain(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    before = math.floor(math.log10(abs(value))) + 1
    if before > 7 or before < -4:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa} × 10{str(int(power)).translate(_RAISED)}"
    if before >= digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def count(value: float | None) -> str:
    """Return a whole number with its thousands set apart."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """Return a time: 12.3 ms."""
    return _scaled(value, _SECONDS)


def size(value: float | None) -> str:
    """Return a number of bytes: 12.3 MiB."""
    return _scaled(value, _BYTES)


def _scaled(value: float | None, units: Sequence[tuple[float, str]]) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    factor, unit = next((u for u in units if abs(value) >= u[0]), units[-1])
    return f"{plain(value / factor)} {unit}"


def speed(value: float | None) -> str:
    """Return operations per second: 95.1 GFLOP/s."""
    return "–" if value is None else f"{plain(value / 1e9)} GFLOP/s"


def giga(value: float | None) -> str:
    """Return a value divided by 10⁹, for a column that names its unit."""
    return "–" if value is None else plain(value / 1e9)


def times(value: float | None) -> str:
    """Return a ratio: 1.85 ×."""
    return "–" if value is None else f"{plain(value)} ×"


def percent(value: float | None) -> str:
    """Return a share: 83 %."""
    if value is None:
        return "–"
    close = 0.99 < abs(value) < 1  # 99.997 % is not 100 %
    return f"{plain(100 * value, 5 if close else 2)} %"


def spread(case: Case) -> str:
    """Return the spread of a case for a table, with the word where it is noisy."""
    found = percent(case.spread)
    return f"noisy, spread {found}" if case.noisy else found


def joined(words: Iterable[str]) -> str:
    """Return "a, b and c"."""
    found = list(words)
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def some(words: Iterable[str], most: int = 5) -> str:
    """Return the first few of a list, and how many more there are."""
    found = list(words)
    if len(found) <= most + 1:
        return joined(found)
    return f"{', '.join(found[:most])} and {len(found) - most} more"


def plural(number: int, one: str, many: str = "") -> str:
    """Return "1 case", "3 cases"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
