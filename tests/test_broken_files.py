"""Model files that are broken or made up are refused, and nothing in them is run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn import MLPClassifier, load, nn, save
from accelnn.errors import DataError
from accelnn.tensorfile import read_tensors, write_tensors
from tests.estimators.conftest import data

pytestmark = [
    # Few epochs, for speed.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


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
