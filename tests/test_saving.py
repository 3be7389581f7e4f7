"""Save and load: what comes back, what is refused, and that nothing in a file is run."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import MLPClassifier, MLPRegressor, get_backend, load, nn, optim, save, train
from accelnn.backends.numba_backend import NumbaBackend
from accelnn.engines import leaves
from accelnn.errors import DataError
from accelnn.tensorfile import read_tensors, write_tensors
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


# Broken files ------------------------------------------------------------------------------------


def edited(path: Path, edit: Any) -> Path:
    """Rewrite the header of a model's file by ``edit(header, arrays)``."""
    arrays, metadata = read_tensors(path)
    header = json.loads(metadata["accelnn"])
    edit(header, arrays)
    write_tensors(path, arrays, {"accelnn": json.dumps(header)})
    return path


def setting(*keys: Any, to: Any) -> Any:
    def edit(header: Any, arrays: Any) -> None:
        for key in keys[:-1]:
            header = header[key]
        header[keys[-1]] = to

    return edit


def without(*keys: Any) -> Any:
    def edit(header: Any, arrays: Any) -> None:
        for key in keys[:-1]:
            header = header[key]
        del header[keys[-1]]

    return edit


def array(name: str, value: Any) -> Any:
    def edit(header: Any, arrays: Any) -> None:
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value

    return edit


STACK = {
    "newer": (setting("format", to=2), "has format 2, this version of accelnn reads 1; update"),
    "no format": (without("format"), "'format'"),
    "no kind": (without("kind"), "'kind'"),
    "unknown layer": (
        setting("module", "layers", 1, "layer", to="os.system"),
        "unknown layer 'os.system'; known: Linear, ",
    ),
    "no layer": (without("module", "layers", 0, "layer"), "'layer'"),
    "layers a number": (setting("module", "layers", to=3), "does not hold an accelnn model"),
    "arguments a number": (setting("module", "layers", 0, "arguments", to=3), "accelnn model"),
    "unknown argument": (setting("module", "layers", 1, "arguments", "x", to=3), "'x'"),
    "bad argument": (setting("module", "layers", 2, "arguments", "p", to=7), "fraction dropped"),
    "bad dtype": (setting("module", "layers", 0, "arguments", "dtype", to="float16"), "float16"),
    "another width": (setting("module", "layers", 0, "arguments", "in_features", to=4), "shape"),
    "endless width": (
        setting("module", "layers", 0, "arguments", "in_features", to=10**12),
        "0.weight has not the shape",
    ),
    "endless features": (
        setting("module", "layers", 3, "arguments", "num_features", to=10**12),
        "3.running_mean has not the shape",
    ),
    "buffer missing": (array("3.running_var", None), "missing: 3.running_var"),
    "width of text": (setting("module", "layers", 0, "arguments", "in_features", to="3"), "shape"),
    "array missing": (array("0.weight", None), "0.weight"),
    "bias missing": (array("0.bias", None), "missing: 0.bias"),
    "array too many": (array("9.weight", np.ones(2)), "unknown: 9.weight"),
    "array of another shape": (array("0.bias", np.ones(7)), r"0.bias: shape \(7,\), expected"),
}


@pytest.mark.parametrize("case", STACK)
def test_a_broken_stack(case: str, tmp_path: Path) -> None:
    edit, said = STACK[case]
    path = tmp_path / "model.safetensors"
    save(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(2)), path)
    load(edited(path, lambda header, arrays: None))  # the editing itself does no harm
    with pytest.raises(DataError, match=said):
        load(edited(path, edit))


@pytest.fixture(scope="module")
def classifier() -> Any:
    X, y = data("multiclass")
    return MLPClassifier((4,), max_iter=2, random_state=0, backend="numpy").fit(X, y)


INJECTED = ["predict", "__class__", "__dict__", "fit", "_rule", "_validate_params", "coefs", "x"]
ESTIMATOR = {
    **{f"fitted {name}": (setting("fitted", name, to=1), f"'{name}'") for name in INJECTED},
    "newer": (setting("format", to="2"), "has format 2"),
    "unknown estimator": (
        setting("estimator", to="BaseMLP"),
        "unknown estimator 'BaseMLP'; known: .*MLPClassifier",
    ),
    "module for an estimator": (setting("estimator", to="os"), "unknown estimator 'os'"),
    "the other estimator": (setting("estimator", to="MLPRegressor"), "'class_weight'"),
    "unknown argument": (setting("arguments", "__class__", to="x"), "__class__"),
    "bad argument": (setting("arguments", "activation", to="eval"), "'activation' parameter"),
    "no arguments": (without("arguments"), "'arguments'"),
    "fitted a list": (setting("fitted", to=[1]), "accelnn model"),
    "array of no dtype": (setting("fitted", "classes_", "dtype", to="code"), "code"),
    "array of text": (setting("fitted", "classes_", "array", to=["a"]), "invalid literal"),
    "no classes": (without("fitted", "classes_"), "classes_"),
    "too few classes": (setting("fitted", "classes_", "array", to=[1, 2]), "2 classes do not fit"),
    "no activation": (without("fitted", "out_activation_"), "out_activation_"),
    "unknown activation": (setting("fitted", "out_activation_", to="eval"), "'eval'"),
    "no multilabel": (without("fitted", "_multilabel"), "_multilabel"),
    "too many layers": (setting("fitted", "n_layers_", to=9), "coefs_.2"),
    "too few layers": (setting("fitted", "n_layers_", to=2), "4 arrays are more"),
    "no layers": (setting("fitted", "n_layers_", to=1), "4 arrays are more"),
    "other features": (setting("fitted", "n_features_in_", to=9), "no network"),
    "coefs missing": (array("coefs_.1", None), "coefs_.1"),
    "coefs of another shape": (array("coefs_.1", np.ones((9, 4))), "no network"),
    "coefs flat": (array("coefs_.1", np.ones(4)), "no network"),
    "intercepts of another shape": (array("intercepts_.0", np.ones((4, 1))), "no network"),
    "coefs of integers": (array("coefs_.1", np.ones((4, 4), int)), "floating point"),
}


@pytest.mark.parametrize("case", ESTIMATOR)
def test_a_broken_estimator(case: str, classifier: Any, tmp_path: Path) -> None:
    edit, said = ESTIMATOR[case]
    path = tmp_path / "model.safetensors"
    save(classifier, path)
    load(edited(path, lambda header, arrays: None))
    with pytest.raises(DataError, match=said):
        load(edited(path, edit))


def nested(depth: int) -> str:
    inner = '{"layer": "Sequential", "layers": ['
    return '{"format": 1, "kind": "module", "module": ' + inner * depth + "]}" * depth + "}"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '"text"', "null", '{"format": 1, "kind": "module"}', nested(5000)],
    ids=["empty", "not JSON", "list", "number", "text", "null", "no module", "too deep"],
)
def test_a_broken_description(text: str, tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {}, {"accelnn": text})
    with pytest.raises(DataError, match="does not hold an accelnn model"):
        load(tmp_path / "a")


def test_a_file_that_is_not_ours(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"weight": np.ones(3)}, {"format": "pt"})
    with pytest.raises(DataError, match="does not hold an accelnn model: KeyError"):
        load(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"\x80\x04cos\nsystem\n(S'touch /tmp/no'\ntR.")
    with pytest.raises(DataError, match="is not a safetensors file"):
        load(tmp_path / "b")
    (tmp_path / "c").write_bytes((20).to_bytes(8, "little") + b'{"__metadata__": 3 }')
    with pytest.raises(DataError, match="does not hold an accelnn model"):
        load(tmp_path / "c")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


def test_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), path)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(DataError):
            load(path)


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
