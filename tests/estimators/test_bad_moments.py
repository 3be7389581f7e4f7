"""Bad moments: Ctrl-C, other processes, many threads, and errors out of the user's own code."""

import pickle
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from accelnn import MLPClassifier, MLPRegressor
from accelnn.program import Program
from tests.estimators.bad_cases import SMALL, C, R, X, raising, t, y
from tests.estimators.other_processes import interrupted, run

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer. Maximum iterations")


def weights(model: Any) -> list[Any]:
    return [np.array(a) for a in [*model.coefs_, *model.intercepts_]]


def assert_equal_weights(a: list[Any], b: list[Any]) -> None:
    for x, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, other)


# Ctrl-C -----------------------------------------------------------------------------------------

#: A fit that never ends by itself and says when it is in the middle of the epoch ``when``.
ENDLESS = """
said = []

def rate(epoch, max_iter):
    if epoch > when and not said:
        said.append(epoch)
        print("ready", flush=True)
    return 1.0

if when == 0:  # an epoch of some seconds
    many = rng.standard_normal((100_000, 12))
    given, labels, size = many, (many[:, 0] > 0).astype(int), 1
else:
    given, labels, size = X, y, 50
model = MLPClassifier(learning_rate=rate, max_iter=10**9, tol=0.0, n_iter_no_change=np.inf,
                      batch_size=size, early_stopping=stopping, **SMALL)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(given, labels)
state = {
    "warned": [[w.category.__name__, str(w.message), w.filename] for w in caught],
    "epochs": model.n_iter_,
    "curve": len(model.loss_curve_),
    "scores": model.validation_scores_,
    "best": model.best_validation_score_,
    "sums": model.predict_proba(X).sum(axis=1).tolist(),
    "moved": float(abs(model.coefs_[0] - MLPClassifier(max_iter=1, learning_rate_init=1e-300,
        early_stopping=stopping, **SMALL).fit(given, labels).coefs_[0]).max()),
}
model.set_params(learning_rate="constant", max_iter=3).fit(X, y)
state["again"] = weights(model) == weights(
    MLPClassifier(max_iter=3, tol=0.0, n_iter_no_change=np.inf, batch_size=size,
                  early_stopping=stopping, **SMALL).fit(X, y))
print(json.dumps(state))
"""


@pytest.mark.parametrize(("when", "stopping"), [(0, False), (2, False), (2, True)])
def test_ctrl_c(when: int, stopping: bool, backend: str) -> None:
    found = interrupted(f"when, stopping = {when}, {stopping}\n" + ENDLESS, backend)
    assert found["warned"] == [["UserWarning", "Training interrupted by user.", "<string>"]]
    assert found["epochs"] == 0 if when == 0 else found["epochs"] >= 2
    assert found["epochs"] - found["curve"] in (0, 1)  # between the one line and the other
    np.testing.assert_allclose(found["sums"], 1.0, rtol=1e-9)
    assert found["moved"] > 1e-6
    assert found["again"]
    if stopping:
        assert found["best"] == max(found["scores"])


def test_scikit_learn_warns_of_ctrl_c_alike(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    def interrupts(*given: Any) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(theirs.MLPClassifier, "_backprop", interrupts)
    caught = []
    for model in (theirs.MLPClassifier(**SMALL), C(learning_rate=interrupts, backend=backend)):
        with pytest.warns(UserWarning, match="interrupted") as record:
            model.fit(X, y)
        caught.append([(w.category, str(w.message)) for w in record])
        assert (model.n_iter_, model.loss_curve_) == (0, [])
        assert not hasattr(model, "loss_")
    assert caught[0] == caught[1]


IN_LBFGS = """
calls = []

def loss(outputs, targets):
    calls.append(1)
    if len(calls) == 3:
        print("ready", flush=True)
        threading.Event().wait(60)
    return ((outputs - targets) ** 2).sum(axis=1)

model = MLPRegressor(loss=loss, solver="lbfgs", **SMALL)
try:
    model.fit(X, y)
    ended = "fitted"
except KeyboardInterrupt:
    ended = "interrupted"
left = hasattr(model, "coefs_")
model.set_params(loss="squared_error", max_iter=5).fit(X, y)
print(json.dumps([ended, left, weights(model) == weights(
    MLPRegressor(solver="lbfgs", max_iter=5, **SMALL).fit(X, y))]))
"""


def test_ctrl_c_in_l_bfgs_goes_through(backend: str) -> None:
    """As through scikit-learn's; the model is what it was."""
    assert interrupted(IN_LBFGS, backend) == ["interrupted", False, True]


# Other processes --------------------------------------------------------------------------------

FORK = """
def forked(work):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, json.dumps(work()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        found = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return json.loads(found)

def work():
    return [model.predict(X).tolist(), weights(MLPClassifier(max_iter=4, **SMALL).fit(X, y)),
            weights(twin.partial_fit(X, y))]

model = MLPClassifier(max_iter=4, **SMALL).fit(X, y)
twin = MLPClassifier(max_iter=4, **SMALL).fit(X, y)
in_child, again = forked(work), forked(work)
here = work()
print(json.dumps([in_child == here, again == here, here[1] == weights(model)]))
"""


def test_fork(backend: str) -> None:
    """A child predicts, fits and goes on as its parent, which had fitted before."""
    assert run(FORK, backend) == [True, True, True]


POOL = """
import multiprocessing
model = MLPClassifier(max_iter=4, **SMALL).fit(X, y)
expected = model.predict_proba(X)
with multiprocessing.get_context(method).Pool(2) as pool:
    probabilities = pool.map(model.predict_proba, [X] * 4)
    fitted = pool.apply(MLPClassifier(max_iter=4, **SMALL).fit, (X, y))
    further = pool.apply(model.partial_fit, (X, y))
print(json.dumps([
    all(np.array_equal(p, expected) for p in probabilities),
    weights(fitted) == weights(model),
    weights(further) == weights(model.partial_fit(X, y)),
]))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str, backend: str) -> None:
    assert run(f"method = {method!r}\n" + POOL, backend) == [True, True, True]


LOKY = """
from joblib import Parallel, delayed
model = MLPClassifier(max_iter=4, **SMALL).fit(X, y)
expected = model.predict_proba(X)
with Parallel(n_jobs=2, backend="loky") as pool:
    probabilities = pool(delayed(model.predict_proba)(X) for _ in range(4))
    fitted = pool([delayed(MLPClassifier(max_iter=4, **SMALL).fit)(X, y)] * 2)
print(json.dumps([
    all(np.array_equal(p, expected) for p in probabilities),
    all(weights(each) == weights(model) for each in fitted),
]))
"""


def test_joblib(backend: str) -> None:
    assert run(LOKY, backend) == [True, True]


# Threads ----------------------------------------------------------------------------------------


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Return what calls return, each made in a thread of its own at the same moment."""
    gate = threading.Barrier(len(calls))

    def through(call: Callable[[], Any]) -> Any:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(through, calls))


def test_predict_in_8_threads(backend: str) -> None:
    many = np.random.default_rng(1).standard_normal((500, 3))
    model = C(hidden_layer_sizes=(64, 32), backend=backend).fit(X, y)
    parts = [many[i:] for i in range(8)] + [many[i : i + 1] for i in range(8)]
    expected = [model.predict_proba(part) for part in parts]

    def all_parts() -> list[Any]:
        return [model.predict_proba(part) for part in parts]

    for found in at_once([all_parts] * 8):
        assert_equal_weights(found, expected)


def test_fits_in_4_threads(backend: str) -> None:
    models = [
        C(hidden_layer_sizes=(64,), batch_size=5, max_iter=20, backend=backend),
        C(dropout=0.3, max_iter=20, backend=backend),
        C(normalization="batch", early_stopping=True, max_iter=20, backend=backend),
        C(solver="lbfgs", backend=backend),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = [weights(model.fit(X, y)) for model in models]
        found = at_once([lambda m=model: weights(m.fit(X, y)) for model in models])  # type: ignore[misc]
    for mine, alone in zip(found, expected, strict=True):
        assert_equal_weights(mine, alone)


# The user's own code ----------------------------------------------------------------------------


class Hooks:
    """A callback that calls a function at one of its hooks, from the second epoch on."""

    def __init__(self, hook: str, call: Callable[[Any], Any]) -> None:
        self.hook, self.call = hook, call

    def _reached(self, hook: str, estimator: Any) -> None:
        late = hook in ("setup", "teardown") or getattr(estimator, "n_iter_", 0) >= 1
        if hook == self.hook and late:
            self.call(estimator)

    def setup(self, estimator: Any, context: Any) -> None:
        self._reached("setup", estimator)

    def teardown(self, estimator: Any, context: Any) -> None:
        self._reached("teardown", estimator)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self._reached("on_fit_task_begin", estimator)

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        self._reached("on_fit_task_end", estimator)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """Return a list of all programs that are made."""
    made: list[Program] = []
    init = Program.__init__

    def noted(self: Program, *given: Any, **named: Any) -> None:
        made.append(self)
        init(self, *given, **named)

    monkeypatch.setattr(Program, "__init__", noted)
    return made


@pytest.mark.parametrize("hook", ["setup", "on_fit_task_begin", "on_fit_task_end"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_raises(hook: str, solver: str, programs: list[Program], backend: str) -> None:
    torn: list[Any] = []
    model = C(solver=solver, backend=backend, max_iter=5)
    model.set_callbacks(Hooks(hook, raising), Hooks("teardown", torn.append))
    with pytest.raises(LookupError, match="of my own"):
        model.fit(X, y)
    assert torn == ([] if hook == "setup" else [model])  # the second one was not set up
    assert len(programs) == (0 if hook == "setup" else 1)
    again(model.set_callbacks(), programs)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", ["scoring", "loss", "learning_rate"])
def test_a_function_of_the_user_raises(
    name: str, late: bool, programs: list[Program], backend: str
) -> None:
    calls = []

    def raises(*given: Any) -> Any:
        calls.append(given)
        if late and len(calls) < 3:
            works = {"scoring": lambda *_: 0.5, "learning_rate": lambda *_: 1.0}
            return works.get(name, lambda z, target: ((z - target) ** 2).sum(axis=1))(*given)
        raise LookupError("of my own")

    model = R(backend=backend, max_iter=5, **{name: raises})
    with pytest.raises(LookupError, match="of my own"):
        model.fit(X, t, X_val=X, y_val=t)
    assert len(calls) == (3 if late else 1)
    assert len(programs) == (0 if name == "loss" else 1)
    again(model.set_params(**{name: R().get_params()[name]}), programs)


def again(model: Any, programs: list[Program]) -> None:
    """See that a fit that failed left nothing open, and that the next one is like any other."""
    assert all(program._closed for program in programs)
    with pytest.raises(NotFittedError):
        model.predict(X)
    target = y if isinstance(model, MLPClassifier) else t
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = type(model)(**model.get_params()).fit(X, target)
        assert_equal_weights(weights(model.fit(X, target)), weights(expected))
    assert all(program._closed for program in programs)


def test_a_warning_that_is_an_error_leaves_a_fitted_model(
    programs: list[Program], backend: str
) -> None:
    """As scikit-learn's, whose users learn in this way that a fit has not converged."""
    model = C(backend=backend, max_iter=3)
    expected = weights(C(backend=backend, max_iter=3).fit(X, y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
            model.fit(X, y)
    assert_equal_weights(weights(model), expected)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert all(program._closed for program in programs)


@pytest.mark.parametrize("given", [{"max_iter": 1}, {"max_time": 1e-9}])
@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_warning_points_at_the_caller(given: Any, call: str, backend: str) -> None:
    if call == "partial_fit" and "max_iter" in given:
        given = {"max_time": 1e-9, "max_iter": 1}  # one epoch alone is no reason to warn
    for model, target in ((C(backend=backend, **given), y), (R(backend=backend, **given), t)):
        more = {"classes": [0, 1, 2]} if target is y and call == "partial_fit" else {}
        with pytest.warns(ConvergenceWarning) as caught:
            getattr(model, call)(X, target, **more)
        assert [w.filename for w in caught] == [__file__]


#: Of the test below; a pickled callback takes its function with it by name.
PICKLED: list[bytes] = []


def keep(estimator: Any) -> None:
    """Pickle an estimator in the middle of its fit."""
    PICKLED.append(pickle.dumps(estimator))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_pickling_in_a_callback(kind: Any, solver: str, backend: str) -> None:
    """A copy predicts and can be fitted; the fit that it was taken from goes on as it would."""
    target = y if kind is MLPClassifier else t
    arguments: Any = SMALL | {"solver": solver, "max_iter": 4, "backend": backend}
    PICKLED.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = weights(kind(**arguments).fit(X, target))
        model = kind(**arguments).set_callbacks(Hooks("on_fit_task_end", keep)).fit(X, target)
        assert_equal_weights(weights(model), expected)
        copies = [pickle.loads(each) for each in PICKLED]
        assert len(copies) >= 3
        for copy in copies:
            assert copy.predict(X).shape == (24,)
            assert_equal_weights(weights(copy.set_callbacks().fit(X, target)), expected)
