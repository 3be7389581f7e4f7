"""A fitted network as a table: in HTML for notebooks, and in plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted


@dataclass
class _Row:
    """One layer of the table."""

    kind: str
    activation: str
    shape: str
    parameters: int


def network_html(estimator: Any) -> str:
    """Return a fitted network as one block of HTML, with its style inside and without a script.

    Parameters
    ----------
    estimator : estimator
        A fitted multi-layer perceptron of this library or of scikit-learn.

    Returns
    -------
    str
    """
    check_is_fitted(estimator)
    style = files("accelnn.estimators").joinpath("_html.css").read_text(encoding="utf-8")
    layers = "\n".join(
        f'<tr><th scope="row">{i}</th><td>{escape(row.kind)}</td><td>{escape(row.activation)}</td>'
        f"<td>{escape(row.shape)}</td><td>{row.parameters:,}</td></tr>"
        for i, row in enumerate(_rows(estimator), 1)
    )
    facts = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in _facts(estimator)
    )
    return f"""<div class="accelnn-network">
<style>
{style}</style>
<table>
<caption>{escape(_title(estimator))}</caption>
<thead><tr><th scope="col">Layer</th><th scope="col">Kind</th><th scope="col">Activation</th>\
<th scope="col">Shape</th><th scope="col">Parameters</th></tr></thead>
<tbody>
{layers}
</tbody>
</table>
<table>
<tbody>
{facts}
</tbody>
</table>
</div>
"""


def network_text(estimator: Any) -> str:
    """Return a fitted network as lines of plain text.

    Parameters
    ----------
    estimator : estimator
        A fitted multi-layer perceptron of this library or of scikit-learn.

    Returns
    -------
    str
    """
    check_is_fitted(estimator)
    table = [("Layer", "Kind", "Activation", "Shape", "Parameters")]
    for i, row in enumerate(_rows(estimator), 1):
        table.append((str(i), row.kind, row.activation, row.shape, f"{row.parameters:,}"))
    facts = _facts(estimator)
    return "\n".join(
        [_title(estimator), *_aligned(table, right=4), "", *_aligned(facts, right=None)]
    )


def _aligned(table: Sequence[tuple[str, ...]], right: int | None) -> list[str]:
    """Align the columns to the left, but for the one of numbers."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i == right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in table
    ]


def _title(estimator: Any) -> str:
    return f"{type(estimator).__name__}, fitted"


def _rows(estimator: Any) -> list[_Row]:
    n_hidden = len(estimator.coefs_) - 1
    activations = [*_each(estimator.activation, n_hidden), estimator.out_activation_]
    dropouts = [*_each(getattr(estimator, "dropout", 0.0), n_hidden), 0.0]
    norms = getattr(estimator, "norms_", None) or []
    rows = []
    for i, (weight, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        kind, parameters = "Linear", int(weight.size + bias.size)
        for norm in norms[i : i + 1]:  # one per hidden layer, none for the last
            kind += f", {type(norm).__name__}"
            parameters += sum(int(p.array.size) for p in norm.parameters())
        if dropouts[i]:
            kind += f", Dropout({dropouts[i]})"
        shape = f"{weight.shape[0]} × {weight.shape[1]}"
        rows.append(_Row(kind, str(activations[i]), shape, parameters))
    return rows


def _each(given: Any, n: int) -> list[Any]:
    """Return what holds for each of n hidden layers.

    An argument set after the fit need not suit the layers; a repr shows it and does not raise.
    """
    several = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str)
    return list(given) if several and len(given) == n else [given] * n


def _facts(estimator: Any) -> list[tuple[str, str]]:
    """Return what there is to say beside the layers; scikit-learn's network has no backend."""
    e = estimator
    total = sum(row.parameters for row in _rows(e))
    dtype = e.coefs_[0].dtype
    facts = [("Parameters", f"{total:,} in {_bytes(total * dtype.itemsize)} of {dtype}")]
    if hasattr(e, "backend_"):
        facts.append(("Backend", f"{e.backend_}: {e.backend_choice_}"))
    if hasattr(e, "engine_"):
        reason = getattr(e, "engine_reason_", "")
        facts.append(("Engine", f"{e.engine_}: {reason}" if reason else e.engine_))
    facts.append(("Iterations" if e.solver == "lbfgs" else "Epochs", str(e.n_iter_)))
    if hasattr(e, "loss_"):  # a fit may be interrupted before there is one
        what = f" ({_name(e.loss)})" if hasattr(e, "loss") else ""
        facts.append(("Loss", f"{e.loss_:.4g}{what}"))
    if (best := getattr(e, "best_validation_score_", None)) is not None:
        facts.append(("Best validation score", f"{best:.4g}"))
    return facts


def _name(loss: Any) -> str:
    """Name a loss that is a name, a function or an object."""
    return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)


def _bytes(n: int) -> str:
    """1610612736 -> "1.5 GiB"."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} bytes"
