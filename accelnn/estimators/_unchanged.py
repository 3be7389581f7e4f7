"""An estimator whose fit fails is what it was before."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

#: What scikit-learn still needs after an error, to tear callbacks down; it deletes them itself.
_ITS_OWN = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
#: What a fit changes in place, and how to keep it; everything else it replaces.
_CHANGED = {
    "loss_curve_": copy,
    "validation_scores_": copy,
    "validation_loss_curve_": copy,
    "norms_": deepcopy,
    "_rule": copy,
}


@contextmanager
def unchanged_by_errors(estimator: Any) -> Iterator[None]:
    """Give an estimator back what it knew where a fit ends in an error or by Ctrl-C."""
    known = vars(estimator)
    before = {k: _CHANGED[k](v) if k in _CHANGED else v for k, v in known.items()}
    try:
        yield
    except BaseException:
        kept = {k: known[k] for k in _ITS_OWN if k in known}
        known.clear()
        known.update(before | kept)
        raise
