"""The loss of a network over its epochs, as a picture."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from accelnn.estimators._drawing import fitted_network, pyplot


class LossCurveDisplay:
    """Loss of a network over the epochs of its training.

    Create one by ``from_estimator``, and draw it again, elsewhere or otherwise, by ``plot``.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Training loss after each epoch.
    validation_loss_curve, validation_scores : array-like or None
        Loss and score of the validation set after each epoch.
    score_name : str
        What the scores are, for the label of their axis.
    estimator_name : str or None
        Put before each label of the legend.

    Attributes
    ----------
    ax_, figure_
        Axes and figure that hold the losses.
    score_ax_
        Axes that hold the scores, or None.
    lines_ : list of matplotlib lines
        Training loss; then validation loss and validation scores, those that there are.
    best_epoch_ : int or None
        Counted from 1: the epoch of the best validation score, without scores that of the least
        validation loss, without a validation set that of the least training loss. None where no
        value is finite.
    best_line_
        The vertical line at that epoch, or None.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from accelnn import MLPClassifier
    >>> from accelnn.estimators.display import LossCurveDisplay
    >>> model = MLPClassifier(early_stopping=True, random_state=0).fit(*load_iris(return_X_y=True))
    >>> display = LossCurveDisplay.from_estimator(model, log=True)
    >>> display.ax_.get_xlabel()
    'Epoch'
    """

    def __init__(
        self,
        *,
        loss_curve: Any,
        validation_loss_curve: Any = None,
        validation_scores: Any = None,
        score_name: str = "score",
        estimator_name: str | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.validation_scores = validation_scores
        self.score_name = score_name
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        score_ax: Any = None,
        show_scores: bool = True,
        log: bool = False,
        name: str | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> "LossCurveDisplay":
        """Draw the loss curve of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted network, scikit-learn's own included; a pipeline that ends in one; a fitted
            search for one.
        ax, score_ax, show_scores, log, line_kw
            As in ``plot``.
        name : str or None
            Put before each label of the legend, to tell several estimators in one axes apart.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it has no loss curve.
        ImportError
            If matplotlib is not installed.
        """
        network = fitted_network(estimator)
        scores = _known(network, "validation_scores_")
        if getattr(network, "scoring", None) == "loss":
            scores = None  # the validation loss again, with a minus
        return cls(
            loss_curve=_loss_curve(network),
            validation_loss_curve=_known(network, "validation_loss_curve_"),
            validation_scores=scores,
            score_name=_score_name(network),
            estimator_name=name,
        ).plot(ax=ax, score_ax=score_ax, show_scores=show_scores, log=log, line_kw=line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        score_ax: Any = None,
        show_scores: bool = True,
        log: bool = False,
        line_kw: dict[str, Any] | None = None,
    ) -> "LossCurveDisplay":
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib axes or None
            For the losses. By default axes in a new figure.
        score_ax : matplotlib axes or None
            For the scores: axes of their own, or the ``score_ax_`` of another display. By default
            a second y axis of ``ax``, on the right.
        show_scores : bool
            False leaves the validation scores out.
        log : bool
            Draw the losses on a logarithmic axis.
        line_kw : dict or None
            Passed to matplotlib's ``plot`` for every curve.

        Returns
        -------
        LossCurveDisplay
            This one.
        """
        losses = [self.loss_curve, self.validation_loss_curve]
        if log and any((np.asarray(c) <= 0).any() for c in losses if c is not None):
            raise ValueError("Not every loss is above zero and has a logarithm: use log=False.")
        plt = pyplot("LossCurveDisplay")
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            _, ax = plt.subplots()
        scored = show_scores and self.validation_scores is not None
        if scored and score_ax is None:
            score_ax = ax.twinx()
        self.ax_, self.figure_ = ax, ax.figure
        self.score_ax_: Any = score_ax if scored else None
        kw = line_kw or {}

        self.lines_ = [self._draw(ax, self.loss_curve, "Training loss", kw)]
        if self.validation_loss_curve is not None:
            self.lines_.append(self._draw(ax, self.validation_loss_curve, "Validation loss", kw))
        if scored:
            # Dashed, because it is read on another axis.
            dashed = {"linestyle": "--", **kw}
            self.lines_.append(
                self._draw(score_ax, self.validation_scores, "Validation score", dashed)
            )
            score_ax.set_ylabel(f"Validation {self.score_name}")
        self._mark_best()

        ax.set_ylabel("Loss")
        for each in self._axes():
            each.set_xlabel("Epoch")
            each.xaxis.set_major_locator(MaxNLocator(integer=True))
        if log:
            ax.set_yscale("log")
        self._write_legend()
        return self

    def _axes(self) -> list[Any]:
        return [self.ax_] if self.score_ax_ is None else [self.ax_, self.score_ax_]

    def _draw(self, ax: Any, values: Any, label: str, kw: dict[str, Any]) -> Any:
        # A second y axis would begin with the first colour again.
        defaults = {
            "color": f"C{sum(len(each.get_lines()) for each in self._axes())}",
            "label": self._labelled(label),
            "marker": "o" if len(values) == 1 else None,  # a line through one point is invisible
        }
        (line,) = ax.plot(np.arange(1, len(values) + 1), values, **{**defaults, **kw})
        return line

    def _labelled(self, label: str) -> str:
        return label if self.estimator_name is None else f"{self.estimator_name}: {label.lower()}"

    def _mark_best(self) -> None:
        """Mark the best epoch by what an estimator itself goes by, in the axes of that curve."""
        self.best_epoch_: int | None = None
        self.best_line_: Any = None
        ax, color = self.ax_, self.lines_[-1].get_color()
        if self.validation_scores is not None:
            what, gain = "validation score", np.asarray(self.validation_scores, float)
            ax = self.score_ax_ or self.ax_
        elif self.validation_loss_curve is not None:
            what, gain = "validation loss", -np.asarray(self.validation_loss_curve, float)
        else:
            what, gain = "training loss", -np.asarray(self.loss_curve, float)
        if not np.isfinite(gain).any():
            return
        self.best_epoch_ = int(np.argmax(np.where(np.isfinite(gain), gain, -np.inf))) + 1
        label = self._labelled(f"Best {what}: epoch {self.best_epoch_}")
        self.best_line_ = ax.axvline(self.best_epoch_, color=color, linestyle=":", label=label)

    def _write_legend(self) -> None:
        ax, score_ax = self.ax_, self.score_ax_
        if score_ax is None:
            ax.legend()
        elif score_ax.get_position().bounds != ax.get_position().bounds:
            ax.legend()
            score_ax.legend()
        else:  # one legend for both, in the axes on top, lest curves run through it
            if ax.get_legend() is not None:
                ax.get_legend().remove()
            handles = [line for each in self._axes() for line in each.get_lines()]
            score_ax.legend(handles=handles, loc="center right")


def _loss_curve(network: Any) -> Any:
    name = type(network).__name__
    curve = getattr(network, "loss_curve_", None)
    if curve is None:
        why = "."
        if getattr(network, "solver", None) == "lbfgs":
            why = ": the solver 'lbfgs' has no epochs and keeps only the last loss_."
        raise ValueError(f"{name} has no loss_curve_{why}")
    if not len(curve):
        raise ValueError(f"The loss_curve_ of {name} is empty: no epoch came to its end.")
    return curve


def _known(network: Any, attribute: str) -> Any:
    """Return a curve, or None for one that is missing, empty, or NaN since nobody computed it."""
    values = getattr(network, attribute, None)
    return None if values is None or np.isnan(values).all() else values


def _score_name(network: Any) -> str:
    """Name the validation score, as far as it has a name."""
    scoring = getattr(network, "scoring", None)
    if scoring is None:
        return "accuracy" if is_classifier(network) else "R²"
    return scoring if isinstance(scoring, str) else "score"
