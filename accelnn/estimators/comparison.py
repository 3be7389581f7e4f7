"""What a comparison of backends found, as a table in text, in HTML, as dicts or for pandas."""

from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from sklearn.utils._optional_dependencies import check_pandas_support

#: Against which the ratios are.
BASELINE = "scikit-learn"


@dataclass(frozen=True)
class Row:
    """One competitor; None where it could not run, or has no such thing.

    Attributes
    ----------
    backend : str
        As it was named, or "scikit-learn".
    fit_seconds : float
        A fit in a process that has compiled its kernels: the median over the rounds.
    compile_seconds : float
        What the first fit spent on compiling or loading them.
    predict_seconds, predict_one_seconds : float
        ``predict`` for all rows of X, and for one.
    score : float
        Of ``estimator.score``.
    n_iter : int
        Epochs.
    engine : str
        "program" or "eager".
    dtype : str
        What it computed in.
    reason : str
        Why it could not run, or what else is to be said.
    """

    backend: str
    fit_seconds: float | None = None
    compile_seconds: float | None = None
    predict_seconds: float | None = None
    predict_one_seconds: float | None = None
    score: float | None = None
    n_iter: int | None = None
    engine: str | None = None
    dtype: str | None = None
    reason: str = ""

    @property
    def ran(self) -> bool:
        """Whether it was measured."""
        return self.fit_seconds is not None


_TIMED = ("fit", "predict", "predict_one")
_HEADINGS = (
    "backend",
    "fit",
    "predict",
    "one row",
    "score",
    "epochs",
    "engine",
    "dtype",
    "compile",
    "reason",
)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Returned by ``compare_backends``; prints as a table.

    Attributes
    ----------
    rows : list of Row
    repeats : int
        Rounds that the medians are of.
    """

    rows: list[Row]
    repeats: int

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict per row: the attributes of ``Row``, and three ratios.

        ``fit_ratio``, ``predict_ratio`` and ``predict_one_ratio`` are scikit-learn's seconds over
        the row's: how many times faster it is. None where either was not measured.
        """
        found = []
        for row in self.rows:
            ratios = {f"{what}_ratio": self._ratio(row, what) for what in _TIMED}
            found.append(asdict(row) | ratios)
        return found

    def to_pandas(self) -> Any:
        """Return ``to_dicts`` as a ``pandas.DataFrame``; ImportError without pandas."""
        return check_pandas_support("Comparison.to_pandas").DataFrame(self.to_dicts())

    def _ratio(self, row: Row, what: str) -> float | None:
        base = next((other for other in self.rows if other.backend == BASELINE), None)
        mine = getattr(row, f"{what}_seconds")
        theirs = getattr(base, f"{what}_seconds", None)
        return theirs / mine if mine and theirs else None

    def _cells(self, row: Row) -> list[str]:
        """Return the text below each heading; none between the first and the last if not run."""
        if not row.ran:
            return [row.backend, *[""] * (len(_HEADINGS) - 2), row.reason]
        timed = [_times(getattr(row, f"{w}_seconds"), self._ratio(row, w)) for w in _TIMED]
        score = "" if row.score is None else f"{row.score:.4f}"
        epochs = "" if row.n_iter is None else str(row.n_iter)
        compiled = _human(row.compile_seconds) if row.compile_seconds else ""
        words = [row.engine or "", row.dtype or ""]
        return [row.backend, *timed, score, epochs, *words, compiled, row.reason]

    def _caption(self) -> str:
        rounds = "1 round" if self.repeats == 1 else f"{self.repeats} rounds"
        ratios = any(row.backend == BASELINE and row.ran for row in self.rows)
        said = f"; in brackets, times faster than {BASELINE}" if ratios else ""
        return f"medians of {rounds}, compiling apart{said}"

    def __str__(self) -> str:
        table = [list(_HEADINGS), *(self._cells(row) for row in self.rows)]
        # A reason may be long: it stands behind the name where there is nothing else to say.
        table = [cells if any(cells[1:-1]) else [cells[0], cells[-1]] for cells in table]
        full = [cells for cells in table if len(cells) > 2]
        widths = [max(len(cells[i]) for cells in full) for i in range(len(_HEADINGS))]
        widths[0] = max(len(cells[0]) for cells in table)
        text = [_line(cells, widths) for cells in table]
        return "\n".join([*text, f"({self._caption()})"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        head = "".join(f"<th>{h}</th>" for h in _HEADINGS)
        body = ""
        for row in self.rows:
            cells = [escape(c) for c in self._cells(row)]
            if not row.ran:
                span = f'<td colspan="{len(_HEADINGS) - 1}" style="text-align:left">'
                body += f"<tr><td>{cells[0]}</td>{span}{cells[-1]}</td></tr>"
            else:
                body += "<tr>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"
        return (
            f"<table><caption>{self._caption()}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _line(cells: list[str], widths: list[int]) -> str:
    return "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=False)).rstrip()


def _times(seconds: float, ratio: float | None) -> str:
    return _human(seconds) if ratio is None else f"{_human(seconds)} ({ratio:.2f} ×)"


def _human(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
