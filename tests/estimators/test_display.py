"""The displays show the fitted numbers, all of them, on the axes they belong to."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import sklearn.neural_network
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from accelnn import MLPClassifier, MLPRegressor
from accelnn.estimators.display import DisplayMixin, LossCurveDisplay, WeightImageDisplay
from tests.backends.fresh import printed
from tests.estimators.conftest import data

pytestmark = [
    # Few epochs, for speed.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture(autouse=True)
def _no_windows() -> Iterator[None]:
    mpl.use("Agg")
    yield
    plt.close("all")


def fitted(cls: Any = MLPClassifier, **arguments: Any) -> Any:
    X, y = data("multiclass" if cls.__name__ == "MLPClassifier" else "regression1")
    defaults = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0}
    return cls(**{**defaults, **arguments}).fit(X, y)


def curve(*losses: float, **arguments: Any) -> LossCurveDisplay:
    return LossCurveDisplay(loss_curve=list(losses), **arguments)


def labels(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


# The loss curve -----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["accelnn", "sklearn"])
def test_training_loss_alone(module: str) -> None:
    cls = MLPClassifier if module == "accelnn" else sklearn.neural_network.MLPClassifier
    model = fitted(cls)
    display = LossCurveDisplay.from_estimator(model)
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(line.get_ydata(), model.loss_curve_)
    assert display.score_ax_ is None
    assert display.figure_.axes == [display.ax_]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Epoch", "Loss")
    assert display.ax_.get_yscale() == "linear"
    assert labels(display.ax_) == ["Training loss", "Best training loss: epoch 6"]


@pytest.mark.parametrize(("cls", "score"), [(MLPClassifier, "accuracy"), (MLPRegressor, "R²")])
def test_all_three_curves(cls: Any, score: str) -> None:
    model = fitted(cls, early_stopping=True)
    model.validation_loss_curve_ = [0.9, 0.8, 0.7, 0.6, 0.7, 0.8]
    display = LossCurveDisplay.from_estimator(model)
    given = [model.loss_curve_, model.validation_loss_curve_, model.validation_scores_]
    assert [line.axes for line in display.lines_] == [
        display.ax_,
        display.ax_,
        display.score_ax_,
    ]
    for line, values in zip(display.lines_, given, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert len({line.get_color() for line in display.lines_}) == 3
    assert display.score_ax_.get_ylabel() == f"Validation {score}"
    best = int(np.argmax(model.validation_scores_)) + 1
    assert display.best_epoch_ == best
    assert list(display.best_line_.get_xdata()) == [best, best]
    assert display.best_line_.axes is display.score_ax_
    assert labels(display.score_ax_) == [
        "Training loss",
        "Validation loss",
        "Validation score",
        f"Best validation score: epoch {best}",
    ]
    assert display.ax_.get_legend() is None


def test_scores_left_out() -> None:
    """The best epoch is still the one that the estimator went by."""
    display = curve(3.0, 2.0, 1.0, validation_scores=[0.1, 0.3, 0.2]).plot(show_scores=False)
    assert len(display.lines_) == 1
    assert display.score_ax_ is None
    assert (display.best_epoch_, display.best_line_.axes) == (2, display.ax_)


@pytest.mark.parametrize(
    ("more", "best"),
    [
        ({"validation_scores": [0.5, 0.7, 0.7, 0.6]}, 2),  # the first of equals, as it is kept
        ({"validation_scores": [0.5, np.nan, np.inf, 0.6]}, 4),
        ({"validation_loss_curve": [2.0, 1.5, 1.6, 1.7]}, 2),
        ({"validation_loss_curve": [2.0, 1.5, 1.6, 1.7], "validation_scores": [4, 3, 2, 1]}, 1),
        ({"validation_scores": [np.nan] * 4}, None),
        ({}, 3),
    ],
)
def test_best_epoch(more: dict[str, Any], best: int | None) -> None:
    display = curve(4.0, 3.0, 1.0, 2.0, **more).plot()
    assert display.best_epoch_ == best
    assert (display.best_line_ is None) == (best is None)


@pytest.mark.parametrize("values", [None, [], [np.nan] * 6])
def test_curves_that_nobody_computed(values: Any) -> None:
    model = fitted()
    model.validation_loss_curve_ = model.validation_scores_ = values
    display = LossCurveDisplay.from_estimator(model)
    assert labels(display.ax_) == ["Training loss", "Best training loss: epoch 6"]


def test_a_scoring_that_was_named() -> None:
    model = fitted(early_stopping=True)
    model.scoring = "neg_log_loss"
    display = LossCurveDisplay.from_estimator(model)
    assert display.score_ax_.get_ylabel() == "Validation neg_log_loss"
    model.scoring = lambda estimator, X, y: 0.0
    display = LossCurveDisplay.from_estimator(model)
    assert display.score_ax_.get_ylabel() == "Validation score"


def test_the_loss_as_scoring_is_drawn_once() -> None:
    model = fitted()
    model.scoring, model.validation_loss_curve_ = "loss", [5.0, 4.0, 3.0, 2.0, 3.0, 4.0]
    model.validation_scores_ = [-5.0, -4.0, -3.0, -2.0, -3.0, -4.0]
    display = LossCurveDisplay.from_estimator(model)
    assert labels(display.ax_) == [
        "Training loss",
        "Validation loss",
        "Best validation loss: epoch 4",
    ]


def test_logarithmic() -> None:
    display = curve(100.0, 10.0, 1.0, validation_scores=[0.1, 0.2, 0.3]).plot(log=True)
    assert display.ax_.get_yscale() == "log"
    assert display.score_ax_.get_yscale() == "linear"
    for display in (curve(1.0, 0.0), curve(1.0, 0.5, validation_loss_curve=[1.0, -0.1])):
        with pytest.raises(ValueError, match="use log=False"):
            display.plot(log=True)
        display.plot()


def test_a_single_epoch_is_visible() -> None:
    assert curve(1.0).plot().lines_[0].get_marker() == "o"
    assert curve(1.0, 0.5).plot().lines_[0].get_marker() == "None"


def test_two_estimators_in_one_axes() -> None:
    """Colours and labels differ, and the second scores go onto the axis of the first."""
    theirs = sklearn.neural_network.MLPClassifier
    first = LossCurveDisplay.from_estimator(fitted(theirs, early_stopping=True), name="One")
    second = LossCurveDisplay.from_estimator(
        fitted(theirs, early_stopping=True, max_iter=4),
        name="Two",
        ax=first.ax_,
        score_ax=first.score_ax_,
    )
    assert second.figure_.axes == [first.ax_, first.score_ax_]
    assert len({line.get_color() for line in [*first.lines_, *second.lines_]}) == 4
    assert labels(first.score_ax_) == [
        "One: training loss",
        "Two: training loss",
        "One: validation score",
        f"One: best validation score: epoch {first.best_epoch_}",
        "Two: validation score",
        f"Two: best validation score: epoch {second.best_epoch_}",
    ]


def test_one_legend_where_scores_come_later() -> None:
    first = curve(2.0, 1.0).plot()
    second = curve(3.0, 1.0, validation_scores=[0.1, 0.2]).plot(ax=first.ax_)
    assert first.ax_.get_legend() is None
    assert len(labels(second.score_ax_)) == 5


def test_scores_in_axes_of_their_own() -> None:
    _, (above, below) = plt.subplots(2)
    display = curve(2.0, 1.0, validation_scores=[0.1, 0.2]).plot(ax=above, score_ax=below)
    assert (display.ax_, display.score_ax_) == (above, below)
    assert labels(above) == ["Training loss"]
    assert labels(below) == ["Validation score", "Best validation score: epoch 2"]
    for ax in (above, below):
        assert ax.get_xlabel() == "Epoch"
        assert (ax.get_xticks() % 1 == 0).all()  # there is no epoch 1.25


def test_line_arguments_win() -> None:
    display = curve(2.0, 1.0, validation_scores=[0.1, 0.2]).plot(
        line_kw={"color": "red", "linestyle": "-.", "linewidth": 3}
    )
    for line in display.lines_:
        assert (line.get_color(), line.get_linestyle(), line.get_linewidth()) == ("red", "-.", 3)


def test_pipeline_and_search() -> None:
    X, y = data("multiclass")
    pipe = make_pipeline(StandardScaler(), MLPClassifier(max_iter=3, random_state=0))
    (line,) = LossCurveDisplay.from_estimator(pipe.fit(X, y)).lines_
    np.testing.assert_array_equal(line.get_ydata(), pipe[-1].loss_curve_)
    search = GridSearchCV(pipe, {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2).fit(X, y)
    (line,) = LossCurveDisplay.from_estimator(search).lines_
    np.testing.assert_array_equal(line.get_ydata(), search.best_estimator_[-1].loss_curve_)


@pytest.mark.parametrize("display", [LossCurveDisplay, WeightImageDisplay])
@pytest.mark.parametrize(
    "estimator",
    [
        MLPClassifier(),
        make_pipeline(StandardScaler(), MLPClassifier()),
        GridSearchCV(MLPClassifier(), {}),
    ],
    ids=["network", "pipeline", "search"],
)
def test_not_fitted(display: Any, estimator: Any) -> None:
    with pytest.raises(NotFittedError):
        display.from_estimator(estimator)


@pytest.mark.parametrize("module", ["accelnn", "sklearn"])
def test_lbfgs_has_no_curve(module: str) -> None:
    cls = MLPRegressor if module == "accelnn" else sklearn.neural_network.MLPRegressor
    with pytest.raises(ValueError, match=r"MLPRegressor has no loss_curve_: the solver 'lbfgs' "):
        LossCurveDisplay.from_estimator(fitted(cls, solver="lbfgs"))


def test_no_curve_at_all() -> None:
    ridge = Ridge().fit(*data("regression1"))
    with pytest.raises(ValueError, match=r"^Ridge has no loss_curve_\.$"):
        LossCurveDisplay.from_estimator(ridge)
    model = fitted()
    model.loss_curve_ = []  # an interrupt in the first epoch leaves it so
    with pytest.raises(ValueError, match="no epoch came to its end"):
        LossCurveDisplay.from_estimator(model)


# Weight images ------------------------------------------------------------------------------------


def network(n_inputs: int, n_units: int) -> Any:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((40, n_inputs))
    return MLPClassifier((n_units, 3), max_iter=2, random_state=0).fit(X, X[:, 0] > 0)


def test_weight_images() -> None:
    model = network(25, 20)
    display = WeightImageDisplay.from_estimator(model)
    assert len(display.images_) == len(display.axes_) == 16
    limit = np.abs(model.coefs_[0][:, :16]).max()
    for i, (image, ax) in enumerate(zip(display.images_, display.axes_, strict=True)):
        np.testing.assert_array_equal(image.get_array(), model.coefs_[0][:, i].reshape(5, 5))
        assert image.get_clim() == (-limit, limit)
        assert image.get_cmap().name == "RdBu_r"
        assert ax.get_title() == f"Unit {i}"
    (bar,) = set(display.figure_.axes) - set(display.axes_)
    assert bar.get_ylabel() == "Weight"


@pytest.mark.parametrize(
    ("n_units", "drawn", "grid"), [(1, 1, (1, 1)), (5, 5, (2, 3)), (10, 7, (3, 3))]
)
def test_number_of_units(n_units: int, drawn: int, grid: tuple[int, int]) -> None:
    display = WeightImageDisplay.from_estimator(network(9, 7), n_units=n_units)
    assert len(display.images_) == drawn
    assert display.axes_[0].get_gridspec().get_geometry() == grid
    assert len(display.figure_.axes) == drawn + 1  # and the colour bar


def test_a_shape_and_a_map() -> None:
    model = network(12, 4)
    display = WeightImageDisplay.from_estimator(model, shape=(3, 4), cmap="PiYG")
    np.testing.assert_array_equal(
        display.images_[2].get_array(), model.coefs_[0][:, 2].reshape(3, 4)
    )
    assert display.images_[2].get_cmap().name == "PiYG"


def test_in_a_figure_given() -> None:
    both: Any = plt.figure(layout="constrained").subfigures(1, 2)
    left, right = both
    display = WeightImageDisplay.from_estimator(network(4, 4), figure=right)
    assert display.figure_ is right
    assert (len(left.axes), len(right.axes)) == (0, 5)


def test_weights_of_zero() -> None:
    (image,) = WeightImageDisplay(weights=np.zeros((1, 2, 2))).plot().images_
    assert image.get_clim() == (-1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"has 12 inputs, which make no square image: pass shape=\(height, width\) with "),
        ({"shape": (5, 2)}, r"do not fill an image of shape \(5, 2\): .*height \* width == 12"),
        ({"n_units": 0, "shape": (3, 4)}, "n_units must be at least 1, got 0"),
    ],
)
def test_no_image(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WeightImageDisplay.from_estimator(network(12, 4), **arguments)


def test_no_network() -> None:
    with pytest.raises(ValueError, match="Ridge has no coefs_"):
        WeightImageDisplay.from_estimator(Ridge().fit(*data("regression1")))


# Both ---------------------------------------------------------------------------------------------


class Drawn(DisplayMixin, sklearn.neural_network.MLPClassifier):  # type: ignore[misc]
    """A network with the methods."""


def test_methods() -> None:
    X, y = np.random.default_rng(0).standard_normal((40, 4)), np.arange(40) % 2
    model = Drawn(max_iter=3, random_state=0).fit(X, y)
    display = model.plot_loss_curve(log=True)
    assert isinstance(display, LossCurveDisplay)
    assert display.ax_.get_yscale() == "log"
    images = model.plot_weights(n_units=3)
    assert isinstance(images, WeightImageDisplay)
    assert len(images.images_) == 3


def test_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plt.show was called"))
    curve(2.0, 1.0).plot()
    WeightImageDisplay(weights=np.eye(2)[None]).plot()


def test_an_import_leaves_matplotlib_out() -> None:
    code = """
import sys, json, accelnn.estimators.display
print(json.dumps([m for m in sys.modules if m.startswith("matplotlib")]))
"""
    assert printed(code) == []


@pytest.mark.parametrize(
    ("drawn", "name"),
    [
        ("LossCurveDisplay(loss_curve=[1.0])", "LossCurveDisplay"),
        ("WeightImageDisplay(weights=[[[1.0]]])", "WeightImageDisplay"),
    ],
)
def test_without_matplotlib(drawn: str, name: str) -> None:
    code = f"""
import sys, json
sys.modules["matplotlib"] = None
from accelnn.estimators.display import {name}
display = {drawn}
try:
    display.plot()
except ImportError as error:
    print(json.dumps(str(error)))
"""
    assert printed(code) == f'{name} needs matplotlib: pip install "accelnn[plot]" brings it.'
