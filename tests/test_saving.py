"""Save and load: what comes back, what is refused. Broken files: ``test_broken_files.py``."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import MLPClassifier, MLPRegressor, get_backend, load, nn, optim, save, train
from accelnn.backends.numba_backend import NumbaBackend
from accelnn.engines import leaves
from tests.backends.fresh import printed
from tests.estimators.conftest import data

pytestmark = [
    # Few epochs, for speed.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture(autouse=True)
def _nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small fits run on NumPy, whatever other tests have compiled in this process."""
    monkeypatch.setattr(NumbaBackend, "loaded", lambda operations, dtype: False)


def everything() -> nn.Sequential:
    """Return a stack with each layer there is, some of them nested."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(6, 5, dtype="float64"),
        nn.LeakyReLU(0.2),
        nn.Sequential(
            nn.Linear(5, 4, bias=False, dtype="float64"),
            nn.ELU(0.5),
            nn.Sequential(nn.Dropout(0.3, seed=2**62 + 1), nn.Identity()),
        ),
        nn.Linear(4, 4, dtype="float64"),
        nn.BatchNorm1d(4, momentum=0.3, dtype="float64"),
        nn.Sigmoid(),
        nn.BatchNorm1d(4, affine=False, dtype="float64"),
        nn.LayerNorm(4, eps=1e-3, dtype="float64"),
        nn.Tanh(),
        nn.ReLU(),
        nn.Softmax(),
        nn.LogSoftmax(-1),
        nn.Maxout(4, 4, 3, dtype="float64"),
        nn.GELU("tanh"),
        nn.SiLU(),
        nn.LogSigmoid(),
        nn.Hardtanh(-3, 0.5),
        nn.ReLU6(),
        nn.Sign(0),
        nn.Step(0.5),
    )


def round_trip(model: Any, tmp_path: Path, **arguments: Any) -> Any:
    save(model, tmp_path / "model.safetensors")
    return load(tmp_path / "model.safetensors", **arguments)


def test_every_layer_comes_back(tmp_path: Path, rng: Any) -> None:
    model = everything()
    model.load_state_dict({k: rng.uniform(1, 9, v.shape) for k, v in model.state_dict().items()})
    known = {k for k in vars(nn).values() if isinstance(k, type) and issubclass(k, nn.Module)}
    found = {nn.Module, nn.Sequential} | {type(leaf) for leaf in leaves(model)}
    assert found == known  # a new layer is added to the stack above
    twin = round_trip(model, tmp_path)
    assert repr(twin) == repr(model)
    assert list(twin.state_dict()) == list(model.state_dict())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)
        assert twin.state_dict()[name].dtype == array.dtype
    x = rng.standard_normal((3, 2, 3))
    np.testing.assert_array_equal(twin(x).numpy(), model(x).numpy())  # the same mask is drawn
    np.testing.assert_array_equal(twin.eval()(x).numpy(), model.eval()(x).numpy())


def test_a_single_layer(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    twin = round_trip(model, tmp_path)
    assert type(twin) is nn.Linear
    np.testing.assert_array_equal(twin.weight.numpy(), model.weight.numpy())
    assert twin.weight.dtype == np.float32


def test_a_trained_stack_goes_on_training(tmp_path: Path) -> None:
    X, y = data("multiclass")
    model = nn.Sequential(nn.Linear(7, 8), nn.ReLU(), nn.Linear(8, 4))
    loss = nn.CrossEntropyLoss()
    train(model, loss, optim.SGD(model.parameters(), lr=0.1), X, y, epochs=2, seed=0)
    twin = round_trip(model, tmp_path)
    for m in (model, twin):
        train(m, loss, optim.SGD(m.parameters(), lr=0.1), X, y, epochs=2, seed=1)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("source", ["numpy", "numba"])
def test_a_stack_loads_on_another_backend(source: str, backend: str, tmp_path: Path) -> None:
    model = everything().to(source)
    twin = round_trip(model, tmp_path, backend=backend)
    assert {p.backend for p in (*twin.parameters(), *twin.buffers())} == {get_backend(backend)}
    assert b"numba" not in (tmp_path / "model.safetensors").read_bytes()  # nor does the file say
    with accelnn.use_backend(backend):
        assert load(tmp_path / "model.safetensors").backend is get_backend(backend)


LABELS = {
    "str": np.array(["no", "yes", "perhaps", "ä"]),
    "object": np.array(["a", "b", "c", "d"], dtype=object),
    "int": np.array([-3, 0, 5, 2**40]),
    "float": np.array([0.0, 1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("labels", LABELS)
def test_a_classifier_comes_back(labels: str, solver: str, tmp_path: Path) -> None:
    X, codes = data("multiclass")
    y = LABELS[labels][codes]
    model = MLPClassifier((6, 5), solver=solver, max_iter=3, random_state=0, alpha=0.5).fit(X, y)
    assert_same_estimator(model, round_trip(model, tmp_path), X)


def assert_same_estimator(model: Any, twin: Any, X: Any) -> None:
    assert type(twin) is type(model)
    given, kept = twin.get_params(), model.get_params()
    assert tuple(given.pop("hidden_layer_sizes")) == tuple(kept.pop("hidden_layer_sizes"))
    assert given == kept
    for method in ("predict", "predict_proba"):
        if hasattr(model, method):
            found, expected = getattr(twin, method)(X), getattr(model, method)(X)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
    fitted = {name for name in vars(model) if name.endswith("_")}
    assert fitted == {name for name in vars(twin) if name.endswith("_")}
    for name in fitted - {"coefs_", "intercepts_"}:
        a, b = getattr(twin, name), getattr(model, name)
        assert type(a) is type(b) or np.isscalar(b), name
        np.testing.assert_array_equal(a, b, err_msg=name)
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype


def test_two_classes_as_booleans(tmp_path: Path) -> None:
    X, codes = data("binary")
    model = MLPClassifier((4,), max_iter=2).fit(X, codes == 1)
    twin = round_trip(model, tmp_path)
    assert_same_estimator(model, twin, X)
    assert twin.predict(X).dtype == bool


def test_multilabel(tmp_path: Path) -> None:
    X, y = data("multilabel")
    model = MLPClassifier((4,), max_iter=2).fit(X, y)
    twin = round_trip(model, tmp_path)
    assert_same_estimator(model, twin, X)
    assert twin.predict(X).shape == (150, 3)


def test_one_class(tmp_path: Path) -> None:
    X, _ = data("binary")
    model = MLPClassifier((4,), max_iter=2).fit(X, ["only"] * 150)
    assert_same_estimator(model, round_trip(model, tmp_path), X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_regressor_comes_back(outputs: int, dtype: str, tmp_path: Path) -> None:
    X, y = data(f"regression {outputs}")
    model = MLPRegressor(hidden_layer_sizes=(5,), max_iter=3, early_stopping=True).fit(
        X.astype(dtype), y
    )
    assert_same_estimator(model, round_trip(model, tmp_path), X.astype(dtype))


def test_no_hidden_layers(tmp_path: Path) -> None:
    X, y = data("binary")
    model = MLPClassifier((), max_iter=2).fit(X, y)
    assert_same_estimator(model, round_trip(model, tmp_path), X)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_loaded_estimator_goes_on(solver: str, tmp_path: Path) -> None:
    """Without the optimizer's averages, which are not saved, but with all else."""
    X, y = data("binary")
    model = MLPClassifier((4,), solver=solver, max_iter=3, random_state=0).fit(X, y)
    twin = round_trip(model, tmp_path)
    for _ in range(3):  # no improvement by 10 each time
        twin.set_params(tol=10.0).partial_fit(X, y)
    assert twin.t_ == 6 * 150
    assert len(twin.loss_curve_) == 6
    assert twin.loss_ < model.loss_
    assert twin.set_params(warm_start=True, max_iter=1).fit(X, y).loss_ < model.loss_


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_an_estimator_predicts_on_another_backend(backend: str, tmp_path: Path) -> None:
    X, y = data("multiclass")
    model = MLPClassifier((4,), max_iter=2, backend="numba").fit(X, y)
    twin = round_trip(model, tmp_path, backend=backend)
    assert twin.backend_ == backend
    assert twin.backend == "numba"  # the argument, for the next fit
    np.testing.assert_allclose(twin.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    model.set_params(backend=get_backend("numba"))  # an object has a name
    assert round_trip(model, tmp_path).backend == "numba"


def test_feature_names_come_back(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="feature names come from pandas")
    X, y = data("binary")
    frame = pandas.DataFrame(X, columns=list("abcdefg"))
    model = MLPClassifier((4,), max_iter=2).fit(frame, y)
    twin = round_trip(model, tmp_path)
    assert twin.feature_names_in_.tolist() == list("abcdefg")
    np.testing.assert_array_equal(twin.predict(frame), model.predict(frame))


def test_feature_names_without_pandas(tmp_path: Path) -> None:
    X, y = data("binary")
    model = MLPClassifier((4,), max_iter=2).fit(X, y)
    model.feature_names_in_ = np.array(list("abcdefg"), dtype=object)
    twin = round_trip(model, tmp_path)
    assert twin.feature_names_in_.dtype == object
    assert twin.feature_names_in_.tolist() == list("abcdefg")


# Refused -----------------------------------------------------------------------------------------


def assert_refused(model: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"the old one")
    with pytest.raises(TypeError, match=said):
        save(model, path)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


class Mine(nn.Module):
    def forward(self, x: Any) -> Any:
        return x


def test_a_layer_of_your_own_is_refused(tmp_path: Path) -> None:
    said = r"Mine is not one of the library's layers, .* save module.state_dict\(\) and build"
    assert_refused(nn.Sequential(nn.Linear(2, 2), Mine()), said, tmp_path)


def test_a_subclass_or_namesake_is_refused(tmp_path: Path) -> None:
    relu = type("ReLU", (nn.ReLU,), {})
    assert_refused(nn.Sequential(relu()), "ReLU is not one of the library's layers", tmp_path)
    stack = type("Sequential", (nn.Sequential,), {})
    assert_refused(stack(), "Sequential is not one of the library's layers", tmp_path)


def test_shared_parameters_are_refused(tmp_path: Path) -> None:
    """The file could not say that two are one, and could not be read."""
    layer = nn.Linear(2, 2)
    assert_refused(nn.Sequential(layer, nn.ReLU(), layer), "shared between layers", tmp_path)


def test_other_things_are_refused(tmp_path: Path) -> None:
    assert_refused(
        {"a": 1}, "save expects a module or one of MLPClassifier, .*, got dict", tmp_path
    )
    assert_refused(MLPClassifier(), "this MLPClassifier is not fitted", tmp_path)
    X, y = data("binary")
    model = MLPClassifier((2,), max_iter=1, random_state=np.random.RandomState(0)).fit(X, y)
    assert_refused(model, "random_state=.* has no form .* an integer", tmp_path)


def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = tmp_path / "model.safetensors", nn.Linear(2, 2)
    save(model, path)
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save(nn.Linear(9, 9), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# Without the backend it was saved on -------------------------------------------------------------

LOAD = """
import json, sys
import numpy as np
import accelnn
for library in ("numba", "cupy"):
    sys.modules[library] = None  # as if it were not installed
model = accelnn.load(sys.argv[1] if len(sys.argv) > 1 else PATH)
x = np.linspace(-1, 1, 21).reshape(3, 7)
out = model.predict_proba(x) if hasattr(model, "predict_proba") else model(x.astype("f4")).numpy()
unwanted = [name for name in sys.modules if name.split(".")[0] in ("numba", "cupy")]
unwanted = [name for name in unwanted if sys.modules[name] is not None]
print(json.dumps([out.tolist(), unwanted]))
"""


@pytest.mark.parametrize("kind", ["stack", "estimator"])
def test_loading_needs_neither_numba_nor_cupy(kind: str, tmp_path: Path) -> None:
    path, X = tmp_path / "model.safetensors", np.linspace(-1, 1, 21).reshape(3, 7)
    if kind == "stack":
        model: Any = nn.Sequential(nn.Linear(7, 4, backend="numba"), nn.Tanh())
        expected = model(X.astype("f4")).numpy()
    else:
        model = MLPClassifier((4,), max_iter=2, backend="numba").fit(*data("multiclass"))
        expected = model.predict_proba(X)
    save(model, path)
    found, unwanted = printed(LOAD.replace("PATH", repr(str(path))))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert unwanted == []


@pytest.fixture(scope="module")
def classifier() -> Any:
    X, y = data("multiclass")
    return MLPClassifier((4,), max_iter=2, random_state=0, backend="numpy").fit(X, y)


def test_the_safetensors_library_opens_a_model(tmp_path: Path, classifier: Any) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    save(model, tmp_path / "a")
    for name, value in numpy.load_file(tmp_path / "a").items():
        np.testing.assert_array_equal(value, model.state_dict()[name])
    save(classifier, tmp_path / "b")
    found = numpy.load_file(tmp_path / "b")
    np.testing.assert_array_equal(found["coefs_.0"], classifier.coefs_[0])


def test_a_model_through_the_safetensors_library(tmp_path: Path, classifier: Any) -> None:
    """Read and written again by the library, it is still ours."""
    library = pytest.importorskip("safetensors")
    numpy = pytest.importorskip("safetensors.numpy")
    save(classifier, tmp_path / "a")
    with library.safe_open(tmp_path / "a", framework="numpy") as file:
        metadata = file.metadata()
    numpy.save_file(numpy.load_file(tmp_path / "a"), tmp_path / "b", metadata=metadata)
    assert_same_estimator(classifier, load(tmp_path / "b"), data("multiclass")[0])
