"""The table of ``test_bad_input.py``: what is wrong, and the class and words of the error.

The good data are 24 rows of 3 features, y with three classes, t with numbers; a case replaces some.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from accelnn import BackendUnavailable, MLPClassifier, MLPRegressor, list_backends, nn

N = 24
X = np.random.default_rng(0).standard_normal((N, 3))
y = np.arange(N) % 3
t = X @ [1.0, 2.0, 3.0]
LABELS = np.stack([y % 2, y > 1], axis=1).astype(int)
SMALL: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}


class Case(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    name : str
    model : estimator
        As in the case, not fitted.
    given : dict
        Arguments of the call which are not the good ones.
    said : str
        What the message must match.
    error : type
    call : str
        Method.
    """

    name: str
    model: Any
    given: dict[str, Any]
    said: str
    error: type[Exception] = ValueError
    call: str = "fit"

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the call."""
        good: dict[str, Any] = {"X": X}
        if self.call in ("fit", "partial_fit", "score"):
            good["y"] = y if isinstance(self.model, MLPClassifier) else t
        if self.call == "partial_fit" and isinstance(self.model, MLPClassifier):
            good["classes"] = [0, 1, 2]
        return good | self.given


def C(**arguments: Any) -> Any:  # noqa: N802 - short, in a table
    """Return a classifier."""
    return MLPClassifier(**(SMALL | arguments))


def R(**arguments: Any) -> Any:  # noqa: N802
    """Return a regressor."""
    return MLPRegressor(**(SMALL | arguments))


def but(array: Any, value: Any) -> Any:
    """Return an array with one element replaced."""
    changed = np.array(array, np.result_type(array, np.asarray(value)))
    changed.flat[4] = value
    return changed


def raising(*given: Any) -> Any:
    """Be a loss, schedule or scorer that raises."""
    raise LookupError("of my own")


def late(epoch: float, max_iter: int) -> float:
    """Be a schedule that fails in the middle of an epoch, behind its first step."""
    return 1.0 if epoch == int(epoch) else np.nan


def val(**given: Any) -> dict[str, Any]:
    """Return a good validation set with some parts replaced."""
    return {"X_val": X[:9], "y_val": y[:9]} | given


def weights(value: Any) -> dict[str, Any]:
    """Return weights of the rows, of which one is ``value``."""
    return {"sample_weight": but(np.ones(N), value)}


def _last(*shapes: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    return [np.ones(s) for s in shapes[::2]], [np.ones(s) for s in shapes[1::2]]


DATA = [
    Case("NaN in X", C(), {"X": but(X, np.nan)}, "Input X contains NaN"),
    Case("inf in X", R(), {"X": but(X, np.inf)}, "Input X contains infinity or a value too large"),
    Case("-inf in X", R(), {"X": but(X, -np.inf)}, "Input X contains infinity"),
    Case("inf of float16", C(), {"X": np.full((N, 3), np.inf, "f2")}, "Input X contains infinity"),
    Case("too large for dtype", C(dtype="float32"), {"X": X * 1e300}, r"too large .*float32"),
    Case("None in X", C(), {"X": but(X.astype(object), None)}, "Input X contains NaN"),
    Case("NaN in sparse X", C(), {"X": sp.csr_matrix(but(X, np.nan))}, "Input X contains NaN"),
    Case("inf in COO X", C(), {"X": sp.coo_array(but(X, np.inf))}, "Input X contains infinity"),
    Case("X 0-D", C(), {"X": 3.0}, "Expected 2D array, got scalar array"),
    Case("X 1-D", R(), {"X": t}, r"Expected 2D array, got 1D array.*Reshape your data"),
    Case("X 3-D", C(), {"X": X[:, :, None]}, "Found array with dim 3, while dim <= 2 is required"),
    Case("X None", C(), {"X": None}, "Expected 2D array, got scalar array"),
    Case("X text", C(), {"X": "abc"}, "could not convert string to float: 'abc'"),
    Case("strings in X", C(), {"X": [["a", "b"]] * N}, "could not convert string to float: 'a'"),
    Case("a dict", C(), {"X": {"a": 1}}, "must be .* real number, not 'dict'", TypeError),
    Case("ragged X", C(), {"X": [[1.0], [1.0, 2.0]]}, "inhomogeneous shape"),
    Case("complex X", C(), {"X": X * 1j}, "Complex data not supported"),
    Case("numpy.matrix", C(), {"X": X.view(np.matrix)}, "np.matrix is not supported", TypeError),
    Case("no rows", C(), {"X": X[:0], "y": y[:0]}, r"Found array with 0 sample\(s\)"),
    Case("no columns", R(), {"X": X[:, :0]}, r"Found array with 0 feature\(s\)"),
    Case("y of another length", C(), {"y": y[:5]}, r"inconsistent numbers of samples: \[24, 5\]"),
    Case("y missing", C(), {"y": None}, "requires y to be passed"),
    Case("y 0-D", C(), {"y": 3}, "at least 1 dimension", TypeError),
    Case("y 3-D", R(), {"y": np.zeros((N, 1, 1))}, "Found array with dim 3"),
    Case("NaN in y", R(), {"y": but(t, np.nan)}, "Input y contains NaN"),
    Case("inf in y", R(), {"y": but(t, -np.inf)}, "Input y contains infinity"),
    Case("NaN in labels", C(), {"y": but(y, np.nan)}, "Input y contains NaN"),
    Case("complex y", R(), {"y": t * 1j}, "Complex data not supported"),
    Case("text for numbers", R(), {"y": ["a"] * N}, "could not convert string to float"),
    Case(
        "y too large", R(), {"X": X.astype("f4"), "y": t * 1e300}, "y holds .* for float32; scale"
    ),
    Case("numbers for classes", C(), {"y": t}, "Unknown label type: .*regression target"),
    Case("mixed labels", C(), {"y": np.array([1, "a"] * 12, object)}, "Unknown label type"),
    Case(
        "labels as bytes", C(), {"y": np.array([b"a", b"b", b"c"])[y]}, "string or int", TypeError
    ),
    Case("several class columns", C(), {"y": np.stack([y, y], 1)}, "Unknown label type"),
    Case("multilabel not 0 and 1", C(), {"y": LABELS * 7}, r"must hold 0 and 1, got \[0, 7\]"),
    Case("counts below 0", R(loss="poisson"), {}, "loss='poisson' is for counts, y >= 0"),
    Case(
        "one row to hold back of", C(early_stopping=True), {"X": X[:1], "y": y[:1]}, "n_samples=1"
    ),
    Case("3 rows", R(early_stopping=True), {"X": X[:3], "y": t[:3]}, "validation set is too small"),
    Case("weight below 0", C(), weights(-1.0), "Negative values in .*`sample_weight`"),
    Case("weight NaN", R(), weights(np.nan), "Input sample_weight contains NaN"),
    Case("weight inf", C(), weights(np.inf), "Input sample_weight contains infinity"),
    Case("weights too few", C(), {"sample_weight": np.ones(5)}, r"sample_weight.shape == \(5,\)"),
    Case("weights 2-D", R(), {"sample_weight": np.ones((N, 2))}, "Sample weights must be 1D array"),
    Case("weights 0", C(), {"sample_weight": np.zeros(N)}, "at least one non-zero number"),
    Case("weights text", C(), {"sample_weight": ["a"] * N}, "could not convert string to float"),
    Case(
        "all that counts held back",
        R(early_stopping=True),
        {"sample_weight": np.eye(N)[0]},
        "sample_weight is 0 for all rows that early_stopping leaves to be held back; pass X_val",
    ),
]

VALIDATION = [
    Case("X_val alone", C(), {"X_val": X}, "X_val is provided, but y_val was not"),
    Case("y_val alone", R(), {"y_val": t}, "y_val is provided, but X_val was not"),
    Case("its weights alone", C(), {"sample_weight_val": np.ones(N)}, "sample_weight_val is prov"),
    Case("X_val narrow", C(), val(X_val=X[:9, :2]), "X_val and y_val: X has 2 features, but .* 3"),
    Case(
        "NaN in X_val", C(), val(X_val=but(X[:9], np.nan)), "X_val and y_val: Input X contains NaN"
    ),
    Case("X_val 1-D", C(), val(X_val=t[:9]), "X_val and y_val: Expected 2D array"),
    Case("X_val empty", C(), val(X_val=X[:0], y_val=y[:0]), r"X_val and y_val: .* 0 sample\(s\)"),
    Case("y_val of another length", C(), val(y_val=y), r"y_val: .*inconsistent .* \[9, 24\]"),
    Case("NaN in y_val", R(), val(y_val=but(t[:9], np.nan)), "y_val: Input y contains NaN"),
    Case("unknown class", C(), val(y_val=y[:9] + 1), r"y_val has classes that y has not: \[3\]"),
    Case("y_val as text", C(), val(y_val=["a"] * 9), r"y_val has classes that y has not: \['a'\]"),
    Case("y_val of two outputs", R(), val(y_val=LABELS[:9]), r"y_val of shape \(9, 2\) .* \(24,\)"),
    Case(
        "labels missing", C(), val(y_val=LABELS[:9, :1]) | {"y": LABELS}, r"\(9, 1\) .* \(24, 2\)"
    ),
    Case(
        "weight NaN", C(), val(sample_weight_val=[np.nan] * 9), "y_val: Input sample_weight contai"
    ),
    Case("weights 0", R(), val(sample_weight_val=np.zeros(9)), "y_val: .* at least one non-zero"),
    Case("for L-BFGS", C(solver="lbfgs"), val(), "leave them out, or take solver='adam'"),
]


def _names(name: str, *values: Any) -> list[Case]:
    """Return a case for each value which scikit-learn's check of arguments is to refuse."""
    said = f"The '{name}' parameter of MLPClassifier must be .* Got"
    return [Case(f"{name}={value!r}", C(**{name: value}), {}, said) for value in values]


ARGUMENTS = [
    *_names("hidden_layer_sizes", 0, "12", None),
    *_names("activation", "swish", None),
    *_names("solver", "adagrad"),
    *_names("alpha", -1.0, np.nan),
    *_names("batch_size", 0, "all"),
    *_names("learning_rate", "cosine", 0.1),
    *_names("learning_rate_init", 0.0, np.inf),
    *_names("power_t", -1),
    *_names("max_iter", 0, 2.5),
    *_names("shuffle", "yes"),
    *_names("random_state", -1, "seed"),
    *_names("tol", -1e-3),
    *_names("verbose", "loud"),
    *_names("warm_start", "hot"),
    *_names("momentum", 1.5),
    *_names("nesterovs_momentum", "no"),
    *_names("early_stopping", "soon"),
    *_names("validation_fraction", 1.0),
    *_names("beta_1", 1.0),
    *_names("beta_2", -0.1),
    *_names("epsilon", 0.0),
    *_names("n_iter_no_change", 0),
    *_names("max_fun", 0),
    *_names("loss", "hinge", 3),
    *_names("class_weight", "even"),
    *_names("label_smoothing", 1.0),
    *_names("dropout", 1.0, "half"),
    *_names("normalization", "group"),
    *_names("l1", -1e-3),
    *_names("weight_decay", -1e-3),
    *_names("max_grad_norm", 0.0),
    *_names("initial_weights", "xavier", 3),
    *_names("scoring", 3),
    *_names("max_time", 0.0),
    *_names("dtype", "float16", 3),
    *_names("backend", 3, None),
    Case("squared_error for classes", C(loss="squared_error"), {}, "'loss' parameter of MLPClass"),
    Case("log_loss for numbers", R(loss="log_loss"), {}, "'loss' parameter of MLPRegressor"),
    Case("a layer of 0", C(hidden_layer_sizes=(3, 0)), {}, r"must be > 0, got \[3, 0\]"),
    Case("two activations", C(activation=["relu"] * 2), {}, "activation has 2 values for 1 hidden"),
    Case("unknown in a list", C(activation=["swish"]), {}, "'swish' is not one of 'elu', 'gelu'"),
    Case("a list in a list", C(activation=[["relu"]]), {}, r"\['relu'\] is not one of 'elu'"),
    Case(
        "two dropouts", R(dropout=[0.1, 0.2]), {}, "dropout has 2 values for 1 hidden .*one value"
    ),
    Case("dropout of text", R(dropout=["a"]), {}, r"numbers from 0 to below 1, got \['a'\]"),
    Case("dtype of integers", C(dtype=int), {}, "dtype must be 'float32', 'float64' or None"),
    Case("backend", C(backend="nunba"), {}, "unknown backend 'nunba'.*did you mean 'numba'"),
    Case("scorer", C(scoring="acc"), {}, "'acc' is not a valid scoring value. Use sklearn.metrics"),
    Case("scorer raises", C(scoring=raising), val(), "of my own", LookupError),
    Case("scorer of text", C(scoring=lambda *_: "x"), val(), "returned 'x'; expected one number"),
    Case("weights of 1 layer", C(initial_weights=_last((3, 4), (4,))), {}, "this network has"),
    Case(
        "weights transposed",
        C(initial_weights=_last((4, 3), (4,), (3, 4), (3,))),
        {},
        r"initial_weights have the shapes \[\(\(4, 3\), \(4,\)\).* this network has \[\(\(3, 4\)",
    ),
    Case("no weights", C(initial_weights=("a",)), {}, r"a name or a pair \(coefs, intercepts\)"),
    Case("unknown class", C(class_weight={7: 2.0}), {}, r"class_weight={7: 2.0}: .*\[0, 1, 2\]"),
    Case(
        "class below 0", C(class_weight={0: -2.0}), {}, "class_weight must hold finite .*at least"
    ),
    Case("class of text", C(class_weight={0: "x"}), {}, "class_weight={0: 'x'}: could not convert"),
    Case("classes of 0", C(class_weight=dict.fromkeys(range(3), 0)), {}, "not all of them 0"),
    Case(
        "list of weights", C(class_weight=[1, 2, 3]), {}, r"class_weight=\[1, 2, 3\]: The classes"
    ),
    Case("smoothed focal", C(loss="focal", label_smoothing=0.1), {}, "is for loss='log_loss'"),
    *[
        Case(
            f"L-BFGS and {name}", R(solver="lbfgs", **{name: value}), {}, f"{name}=.* solver='adam'"
        )
        for name, value in {
            "dropout": 0.5,
            "l1": 0.1,
            "weight_decay": 0.1,
            "max_grad_norm": 1.0,
            "learning_rate": raising,
            "max_time": 1.0,
        }.items()
    ],
]

IN_THE_MIDDLE = [
    *[
        Case(
            f"rate of {value!r}", C(learning_rate=lambda *_, v=value: v), {}, "expected a finite n"
        )
        for value in (np.nan, np.inf, "fast", "0.5", None, np.ones(2), 1j)
    ],
    Case("rate fails late", R(learning_rate=late, batch_size=4), {}, "expected a finite number"),
    Case("rate raises", R(learning_rate=raising), {}, "of my own", LookupError),
    Case("rate of one argument", C(learning_rate=lambda epoch: 1.0), {}, "takes 1 pos", TypeError),
    Case("loss raises", R(loss=raising), {}, "of my own", LookupError),
    Case("loss is a number", R(loss=lambda p, t: 3.0), {}, "a float, expected a Tensor", TypeError),
    Case("loss is an array", R(loss=lambda p, t: p.array), {}, "a ndarray, expected a", TypeError),
    Case(
        "loss per output", R(loss=lambda p, t: p - t), {}, r"shape \(24, 1\) for 24 rows; expected"
    ),
    Case(
        "mean where rows are weighted",
        R(loss=lambda p, t: ((p - t) ** 2).mean()),
        {"sample_weight": np.ones(N)},
        r"shape \(\) for 24 rows; expected \(24,\), one per row",
    ),
    Case("loss of the targets", R(loss=lambda p, t: t.mean()), {}, "no gradient", RuntimeError),
    Case("loss of others", C(loss=nn.MSELoss()), {}, r"target of shape \(24, 3\), got \(24,\)"),
    Case("L-BFGS, loss raises", R(loss=raising, solver="lbfgs"), {}, "of my own", LookupError),
    Case(
        "loss is NaN", R(loss=lambda p, t: (p * np.nan).mean()), {}, "non-finite parameter weights"
    ),
]

PARTIAL = [
    Case("classes text", C(), {"classes": "abc"}, "Expected array-like"),
    Case("NaN", C(), {"X": but(X, np.nan)}, "Input X contains NaN"),
    Case("regressor's NaN", R(), {"y": but(t, np.nan)}, "Input y contains NaN"),
    Case("balanced", C(class_weight="balanced"), {}, "'balanced' is not supported for partial_fit"),
    Case("rate fails late", C(learning_rate=late, batch_size=4), {}, "expected a finite number"),
    Case("early stopping", R(early_stopping=True), {}, "does not support early_stopping=True"),
    Case("loss raises", R(loss=raising), {}, "of my own", LookupError),
]
#: Of a first call alone.
FIRST = [
    Case("no classes", C(), {"classes": None}, "classes must be passed on the first call"),
    Case("class not told", C(), {"classes": [0, 1]}, r"`self.classes_` has \[0, 1\].* has \[2\]"),
]
PARTIAL = [case._replace(call="partial_fit") for case in PARTIAL]
FIRST = [case._replace(call="partial_fit") for case in FIRST]

#: Of a model that is fitted.
AFTERWARDS = [
    *[
        Case(f"{call}, {name}", C(), {"X": bad}, said, call=call)
        for call in ("predict", "predict_proba", "transform", "hidden_activations", "score")
        for name, bad, said in (
            ("NaN", but(X, np.nan), "Input X contains NaN"),
            ("another width", X[:, :2], "X has 2 features, but MLPClassifier is expecting 3"),
            ("1-D", X[0], "Expected 2D array, got 1D array"),
        )
    ],
    Case(
        "too large for float32", R(dtype="float32"), {"X": X * 1e300}, "too la.*2", call="predict"
    ),
    Case(
        "no such layer", C(), {"layer": 1}, "1 is not one of the 1 hid", call="hidden_activations"
    ),
    Case("half a layer", C(), {"layer": 0.5}, "0.5 is not one of the", call="hidden_activations"),
    Case("a layer's name", R(), {"layer": "last"}, "'last' is not one", call="hidden_activations"),
    Case("score, length", C(), {"y": y[:3]}, "inconsistent numbers of samples", call="score"),
    Case("score, NaN", R(), {"y": but(t, np.nan)}, "contains NaN", call="score"),
    Case("score, text", C(), {"y": ["a"] * N}, "Mix of label input types", call="score"),
    Case("score, weights", C(), weights(np.nan), "sample_weight contains NaN", call="score"),
]

if not next(s for s in list_backends() if s.name == "cupy").usable:
    ARGUMENTS += [
        Case("no GPU", C(backend="cupy"), {}, "'cupy' cannot run here: .", BackendUnavailable)
    ]
