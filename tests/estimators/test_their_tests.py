"""scikit-learn's own tests of its multi-layer perceptron, run against ours."""

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sklearn.neural_network

import accelnn

#: What their module imports, or reads of a private attribute, and what stands for it here.
READ_AS = {
    "from sklearn.neural_network import MLPClassifier, MLPRegressor": (
        "from accelnn import MLPClassifier, MLPRegressor"
    ),
    "._optimizer.learning_rate": "._rule.lr",
}
#: What cannot be run, and why.
LEFT_OUT = {
    "test_gradient": "calls their private method _loss_grad_lbfgs; a gradient of ours is checked "
    "where it is computed, in the tests of the kernels and of the program",
}
#: Some of what must be there, so that a file that is found empty is no success.
EXPECTED = {"test_fit", "test_partial_fit_unseen_classes", "test_mlp_warm_start_no_convergence"}


def their_tests() -> dict[str, Any]:
    """Return the tests of a copy of their module that imports our estimators."""
    path = Path(inspect.getfile(sklearn.neural_network)).parent / "tests" / "test_mlp.py"
    source = path.read_text(encoding="utf-8")
    for theirs, ours in READ_AS.items():
        assert theirs in source, f"{path} has changed: no {theirs!r}"
        source = source.replace(theirs, ours)
    module = ModuleType("their_test_mlp")
    exec(compile(source, path, "exec"), vars(module))
    found = {name: test for name, test in vars(module).items() if name.startswith("test_")}
    assert EXPECTED | set(LEFT_OUT) <= set(found)
    return {name: test for name, test in found.items() if name not in LEFT_OUT}


globals().update(their_tests())

pytestmark = [
    # Their configuration makes no error of it.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture
def global_random_seed() -> int:
    """Return the seed of their configuration where no other is asked for."""
    return 42


@pytest.fixture(autouse=True)
def _on_a_backend(backend: str) -> Any:
    """Let their estimators, which name no backend, be fitted on each."""
    with accelnn.use_backend(backend):
        yield
