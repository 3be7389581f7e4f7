"""The perceptron's rule against an obvious loop, its theorem, its gates and its public calls."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn import linear_model as theirs
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import accelnn
from accelnn import Perceptron
from tests.estimators.conftest import data

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer. Maximum iterations"),
    # Checks for what is not installed or not claimed skip with a warning.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


# Few epochs: data that no plane separates would take all of them, a row at a time.
@parametrize_with_checks([Perceptron(max_iter=10, backend=b) for b in ("numpy", "numba")])  # type: ignore[untyped-decorator]
def test_scikit_learn_agrees(estimator: Any, check: Any) -> None:
    check(estimator)


def rule(
    X: Any, labels: Any, gamma: float, epochs: int, order: Any = None
) -> tuple[Any, float, list[int]]:
    """The notes' rule for labels of -1 and 1: weights, bias and mistakes of each epoch."""
    w, b, mistakes = [0.0] * len(X[0]), 0.0, []
    for epoch in range(epochs):
        wrong = 0
        for i in range(len(X)) if order is None else order[epoch]:
            z = b
            for j in range(len(w)):
                z += float(X[i][j]) * w[j]
            guess = 1 if z >= 0 else -1
            if guess != labels[i]:
                wrong += 1
                b += gamma * (labels[i] - guess)
                for j in range(len(w)):
                    w[j] += gamma * (labels[i] - guess) * float(X[i][j])
        mistakes.append(wrong)
        if not wrong:
            break
    return w, b, mistakes


# The rule -----------------------------------------------------------------------------------------


def test_the_notes_example(backend: str) -> None:
    """The golden value S2-G02, (w0, w1) = (-8, 2): its first column of 1 is our intercept."""
    X, y = [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]], [-1, -1, -1, 1, 1, 1]
    model = Perceptron(gamma=0.5, max_iter=40, shuffle=False, backend=backend).fit(X, y)
    assert (model.intercept_.tolist(), model.coef_.tolist()) == ([-8.0], [[2.0]])
    assert model.predict(X).tolist() == y
    assert model.n_mistakes_ == [2, 3, 4, 2, 3, 4, 2, 3, 1, 0] == rule(X, y, 0.5, 40)[2]
    assert model.converged_


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gamma", [0.5, 0.25])
def test_every_update_is_that_of_the_loop(backend: str, gamma: float, dtype: str) -> None:
    """On numbers whose sums are exact, so that even rows on the plane itself go the same way."""
    rng = np.random.default_rng(1)
    X, y = rng.integers(-4, 5, (40, 3)).astype(dtype), rng.integers(0, 2, 40)
    model = Perceptron(gamma=gamma, backend=backend)
    for n in range(1, 41):
        model.partial_fit(X[n - 1 : n], y[n - 1 : n], classes=[0, 1])
        w, b, mistakes = rule(X[:n], 2 * y - 1, gamma, 1)
        assert (model.coef_[0].tolist(), model.intercept_.tolist()) == (w, [b])
    assert sum(model.n_mistakes_) == sum(mistakes) > 10
    assert model.coef_.dtype == dtype


def test_on_any_numbers_too(backend: str) -> None:
    X, y = data("binary")
    w, b, mistakes = rule(X, 2 * y - 1, 0.5, 7)
    model = Perceptron(max_iter=7, shuffle=False, backend=backend).fit(X, y)
    assert (model.coef_[0].tolist(), model.intercept_.tolist()) == (w, [b])
    assert (model.n_mistakes_, model.n_iter_, model.t_) == (mistakes, 7, 7 * 150)
    assert not model.converged_


def test_shuffled_rows_come_as_the_networks_shuffle_them(backend: str) -> None:
    X, y = data("binary")
    rng, order, orders = np.random.RandomState(4), np.arange(150), []
    for _ in range(5):
        drawn = np.arange(150)
        rng.shuffle(drawn)
        order = order[drawn]
        orders.append(order)
    w, b, mistakes = rule(X, 2 * y - 1, 0.5, 5, orders)
    model = Perceptron(max_iter=5, random_state=4, backend=backend).fit(X, y)
    assert (model.coef_[0].tolist(), model.intercept_.tolist()) == (w, [b])
    assert model.n_mistakes_ == mistakes


def test_several_classes_are_one_perceptron_each(backend: str) -> None:
    X, y = data("multiclass")
    alone = [rule(X, 2 * (y == c) - 1, 0.5, 4) for c in range(4)]
    model = Perceptron(max_iter=4, shuffle=False, backend=backend).fit(X, y)
    assert model.coef_.tolist() == [w for w, _, _ in alone]
    assert model.intercept_.tolist() == [b for _, b, _ in alone]
    assert model.n_mistakes_ == np.sum([m for _, _, m in alone], axis=0).tolist()
    expected = (X @ model.coef_.T + model.intercept_).argmax(axis=1)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_weights_are_scikit_learns_where_nothing_lies_on_the_plane(backend: str) -> None:
    """scikit-learn takes 0 for a mistake of both classes, which only the first row meets here."""
    X, y = data("binary")
    y[0] = 0
    expected = theirs.Perceptron(shuffle=False, max_iter=5, tol=None).fit(X, y)
    model = Perceptron(shuffle=False, max_iter=5, backend=backend).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


# What it can learn --------------------------------------------------------------------------------

INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    "outputs", [[0, 0, 0, 1], [0, 1, 1, 1], [1, 0, 0, 0]], ids=["AND", "OR", "NOR"]
)
def test_gates_are_learned(backend: str, outputs: list[int]) -> None:
    model = Perceptron(random_state=0, backend=backend).fit(INPUTS, outputs)
    assert model.predict(INPUTS).tolist() == outputs
    assert (model.converged_, model.n_mistakes_[-1]) == (True, 0)
    assert len(model.n_mistakes_) == model.n_iter_ < 100
    assert 0 not in model.n_mistakes_[:-1]


@pytest.mark.filterwarnings("default:Stochastic Optimizer. Maximum iterations")
def test_xor_is_not(backend: str) -> None:
    model = Perceptron(max_iter=50, backend=backend)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(50\)"):
        model.fit(INPUTS, [0, 1, 1, 0])
    assert model.score(INPUTS, [0, 1, 1, 0]) <= 0.75
    assert (model.converged_, model.n_iter_, 0 in model.n_mistakes_) == (False, 50, False)


@pytest.mark.parametrize("seed", range(5))
def test_mistakes_are_bounded_by_novikoffs_theorem(backend: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    u = np.append(rng.standard_normal(3), 0.3)  # the plane, its last component the bias
    u /= np.linalg.norm(u)
    X = rng.standard_normal((200, 3))
    sides = X @ u[:-1] + u[-1]
    X, sides = X[abs(sides) > 0.2], sides[abs(sides) > 0.2]
    model = Perceptron(max_iter=1000, random_state=seed, backend=backend).fit(X, sides > 0)
    bound = ((X**2).sum(axis=1).max() + 1) / abs(sides).min() ** 2
    assert model.converged_
    assert 0 < sum(model.n_mistakes_) <= bound
    assert model.score(X, sides > 0) == 1.0


def test_a_row_on_the_plane_is_taken_for_the_second_class(backend: str) -> None:
    """As the notes' sign has it, +1 for z >= 0."""
    weights = ([[[1.0]]], [[-3.5]])
    model = Perceptron(initial_weights=weights, backend=backend)
    model.fit([[3.0], [3.5], [4.0]], ["benign", "malignant", "malignant"])
    assert (model.n_mistakes_, model.coef_.tolist()) == ([0], [[1.0]])
    assert model.predict([[3.0], [3.5], [4.0]]).tolist() == ["benign", "malignant", "malignant"]
    assert model.decision_function([[3.0], [3.5]]).tolist() == [-0.5, 0.0]


def test_gamma_only_scales_what_starts_at_0(backend: str) -> None:
    X, y = data("binary")
    how: dict[str, Any] = {"max_iter": 5, "random_state": 0, "backend": backend}
    half, four = (Perceptron(gamma=gamma, **how).fit(X, y) for gamma in (0.5, 4.0))
    np.testing.assert_array_equal(8 * half.coef_, four.coef_)
    drawn = [Perceptron(initial_weights="he_normal", gamma=g, **how).fit(X, y) for g in (0.5, 4.0)]
    assert not np.allclose(8 * drawn[0].coef_, drawn[1].coef_)


# The public calls ---------------------------------------------------------------------------------


def test_warm_start_and_partial_fit_go_on(backend: str) -> None:
    X, y = data("multiclass")
    how: dict[str, Any] = {"shuffle": False, "backend": backend}
    whole = Perceptron(max_iter=6, **how).fit(X, y)
    halves = Perceptron(max_iter=3, warm_start=True, **how).fit(X, y).fit(X, y)
    steps = Perceptron(**how)
    for _ in range(6):
        steps.partial_fit(X, y, classes=np.unique(y))
    for other in (halves, steps):
        np.testing.assert_array_equal(other.coef_, whole.coef_)
        assert other.n_mistakes_ == whole.n_mistakes_


def test_sparse_input_is_that_of_dense(backend: str) -> None:
    X, y = data("multiclass")
    X[np.abs(X) < 0.5] = 0
    how: dict[str, Any] = {"max_iter": 5, "random_state": 0, "backend": backend}
    dense, thin = (Perceptron(**how).fit(Z, y) for Z in (X, sparse.csr_array(X)))
    np.testing.assert_array_equal(thin.coef_, dense.coef_)
    np.testing.assert_array_equal(thin.predict(sparse.csc_array(X)), dense.predict(X))


def test_clone_pickle_and_file(backend: str, tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    model = Perceptron(max_iter=5, random_state=0, backend=backend).fit(X, names[y])
    assert clone(model).get_params() == model.get_params()
    accelnn.save(model, tmp_path / "model")
    for twin in (pickle.loads(pickle.dumps(model)), accelnn.load(tmp_path / "model")):
        np.testing.assert_array_equal(twin.predict(X), model.predict(X))
        np.testing.assert_array_equal(twin.coef_, model.coef_)
        assert (twin.n_mistakes_, twin.converged_) == (model.n_mistakes_, model.converged_)


def test_verbose_says_why_it_stops(capsys: pytest.CaptureFixture[str]) -> None:
    model = Perceptron(verbose=True, shuffle=False).fit(INPUTS, [0, 0, 0, 1])
    printed = capsys.readouterr().out
    assert printed.count("Iteration") == model.n_iter_
    assert printed.endswith("An epoch without a mistake. Stopping.\n")


def test_what_a_perceptron_has_not() -> None:
    model = Perceptron().fit(INPUTS, [0, 0, 0, 1])
    for name in ("predict_proba", "transform", "hidden_activations", "set_output"):
        assert not hasattr(model, name)
    assert (model.n_layers_, model.engine_, model.out_activation_) == (2, "program", "step")
    with pytest.raises(NotFittedError):
        Perceptron().predict(INPUTS)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([1, 1, 1, 1], "y has 1 class, .*; a perceptron separates two"),
        ([[0, 1], [1, 1], [0, 0], [1, 0]], "several labels per row"),
        ([0.5, 0.1, 0.2, 0.3], "Unknown label type: continuous"),
    ],
)
def test_targets_that_it_cannot_learn(y: Any, said: str) -> None:
    model = Perceptron()
    with pytest.raises(ValueError, match=said):
        model.fit(INPUTS, y)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gamma", 0.0),
        ("max_iter", 0),
        ("shuffle", "no"),
        ("initial_weights", "ones"),
        ("initial_weights", ([[[1.0]]], [[0.0]])),
        ("dtype", "int8"),
    ],
)
def test_a_bad_argument_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Perceptron(**{name: value}).fit(INPUTS, [0, 0, 0, 1])
