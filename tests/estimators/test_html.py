"""The table of a fitted network: the same rows in HTML and in text, and nothing unescaped."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from accelnn import MLPClassifier, MLPRegressor
from accelnn.estimators._html import network_html, network_text
from tests.estimators.conftest import data

pytestmark = [
    # Few epochs, for speed.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


class Norm:
    """Stands for a normalisation layer: a scale and a shift per unit."""

    def __init__(self, width: int) -> None:
        self.width = width

    def parameters(self) -> Any:
        return [SimpleNamespace(array=np.zeros(self.width)) for _ in range(2)]


class Network(BaseEstimator):  # type: ignore[misc]
    """A network 784-300-100-10 with all that an estimator of this library may tell."""

    def __init__(self, activation: Any = ("relu", "tanh"), **other: Any) -> None:
        self.activation = activation
        self.dropout, self.solver, self.loss = (0.2, 0.0), "adam", "log_loss"
        sizes = [(784, 300), (300, 100), (100, 10)]
        self.coefs_ = [np.zeros(size, np.float32) for size in sizes]
        self.intercepts_ = [np.zeros(size[1], np.float32) for size in sizes]
        self.norms_ = [Norm(300), Norm(100)]
        self.out_activation_, self.n_iter_, self.loss_ = "softmax", 12, 0.03125
        self.backend_, self.backend_choice_ = "numba", "named in the call"
        self.engine_, self.engine_reason_ = "eager", "loss is a function"
        self.best_validation_score_ = 0.98125
        self.__dict__.update(other)

    def fit(self, X: Any, y: Any) -> Any:
        return self


class Cells(HTMLParser):
    """The text of each row's cells, and all tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("th", "td")
        if self.inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.inside = False

    def handle_data(self, text: str) -> None:
        if self.inside:
            self.rows[-1][-1] += text


LAYERS = [
    ["Layer", "Kind", "Activation", "Shape", "Parameters"],
    ["1", "Linear, Norm, Dropout(0.2)", "relu", "784 × 300", "236,100"],
    ["2", "Linear, Norm", "tanh", "300 × 100", "30,300"],
    ["3", "Linear", "softmax", "100 × 10", "1,010"],
]
FACTS = [
    ["Parameters", "267,410 in 1.0 MiB of float32"],
    ["Backend", "numba: named in the call"],
    ["Engine", "eager: loss is a function"],
    ["Epochs", "12"],
    ["Loss", "0.03125 (log_loss)"],
    ["Best validation score", "0.9812"],
]


def test_rows() -> None:
    assert Cells(network_html(Network())).rows == LAYERS + FACTS


def test_text() -> None:
    assert network_text(Network()) == (
        "Network, fitted\n"
        "Layer  Kind                        Activation  Shape      Parameters\n"
        "1      Linear, Norm, Dropout(0.2)  relu        784 × 300     236,100\n"
        "2      Linear, Norm                tanh        300 × 100      30,300\n"
        "3      Linear                      softmax     100 × 10        1,010\n"
        "\n"
        "Parameters             267,410 in 1.0 MiB of float32\n"
        "Backend                numba: named in the call\n"
        "Engine                 eager: loss is a function\n"
        "Epochs                 12\n"
        "Loss                   0.03125 (log_loss)\n"
        "Best validation score  0.9812"
    )


def test_one_argument_for_all_layers() -> None:
    rows = Cells(network_html(Network(activation="elu", dropout=0.5, norms_=[]))).rows
    assert [row[1:3] for row in rows[1:4]] == [
        ["Linear, Dropout(0.5)", "elu"],
        ["Linear, Dropout(0.5)", "elu"],
        ["Linear", "softmax"],
    ]


def test_arguments_set_after_the_fit_do_not_raise() -> None:
    """``set_params`` at the end of a notebook's cell shows the estimator."""
    rows = Cells(network_html(Network(activation=["relu"], dropout=[0.1, 0.2, 0.3]))).rows
    assert rows[2][1:3] == ["Linear, Norm, Dropout([0.1, 0.2, 0.3])", "['relu']"]


@pytest.mark.parametrize(
    ("loss", "named"),
    [(lambda p, t: p - t, "<lambda>"), (Norm(1), "Norm"), ("focal", "focal")],
)
def test_name_of_a_loss(loss: Any, named: str) -> None:
    assert ["Loss", f"0.03125 ({named})"] in Cells(network_html(Network(loss=loss))).rows


def test_text_is_escaped() -> None:
    evil = '<script>alert("1")</script>&amp;'
    told = ("activation", "dropout", "loss", "backend_choice_", "engine_reason_", "out_activation_")
    network = Network(**dict.fromkeys(told, evil))
    html = network_html(network)
    cells = Cells(html)
    assert "script" not in cells.tags
    assert html.count("&lt;script&gt;") == 8
    assert ["Backend", f"numba: {evil}"] in cells.rows
    assert cells.rows[1][1:3] == [f"Linear, Norm, Dropout({evil})", evil]


def test_style_stays_inside() -> None:
    """Every rule is about the block, and nothing is loaded from elsewhere."""
    html = network_html(Network())
    css = html[html.index("<style>") + 7 : html.index("</style>")]
    rules = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    selectors = [s.strip() for head in re.findall(r"([^{};]+)\{", rules) for s in head.split(",")]
    assert len(selectors) > 5
    for selector in selectors:
        assert selector.startswith((".accelnn-network", "@media", "@container")), selector
    assert "prefers-color-scheme: dark" in css
    assert not re.search(r"url\(|@import|https?:", html)
    assert html.startswith('<div class="accelnn-network">')
    assert html.endswith("</div>\n")


def test_interrupted_in_the_first_epoch() -> None:
    network = Network(n_iter_=0)
    del network.loss_
    assert "Loss" not in dict(row for row in Cells(network_html(network)).rows if len(row) == 2)


def test_fitted_here() -> None:
    model = MLPClassifier((5,), max_iter=3, random_state=0, backend="numpy")
    model.fit(*data("binary"))
    facts = {row[0]: row[-1] for row in Cells(network_html(model)).rows[3:]}
    assert facts["Parameters"] == "46 in 368 bytes of float64"
    assert facts["Backend"] == "numpy: named in the call"
    assert facts["Engine"].startswith("program")
    assert facts["Epochs"] == "3"
    assert facts["Loss"].startswith(f"{model.loss_:.4g}")
    assert "Best validation score" not in facts


def test_lbfgs_counts_iterations() -> None:
    model = MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs", max_iter=3, random_state=0)
    facts = Cells(network_html(model.fit(*data("regression2")))).rows
    assert ["2", "Linear", "identity", "5 × 2", "12"] in facts
    assert ["Iterations", "3"] in facts


def test_scikit_learn_has_no_backend() -> None:
    model = sklearn.neural_network.MLPClassifier((5,), max_iter=3, random_state=0)
    model.fit(*data("binary"))
    names = [row[0] for row in Cells(network_html(model)).rows[3:]]
    assert names == ["Parameters", "Epochs", "Loss"]


@pytest.mark.parametrize("show", [network_html, network_text])
def test_not_fitted(show: Any) -> None:
    with pytest.raises(NotFittedError):
        show(MLPClassifier())
