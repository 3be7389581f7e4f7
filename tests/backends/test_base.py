"""What a Backend holds: the kernels as attributes, arrays, and copies with other kernels."""

import copy
import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest

from accelnn import get_backend, nn, optim, train
from accelnn.backends import Backend
from accelnn.backends.base import Kernel, to_host
from accelnn.kernels import NAMES, load
from tests.tolerances import assert_close


def test_the_annotations_are_the_list_of_kernels() -> None:
    annotated = Backend.__annotations__
    assert tuple(name for name, kind in annotated.items() if kind is Kernel) == NAMES


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_backend_holds_every_kernel_of_its_folder(name: str) -> None:
    backend = get_backend(name)
    assert {k: vars(backend)[k] for k in NAMES} == load(f"on_{name}")


@pytest.mark.parametrize("name", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_come_and_go_without_a_copy(name: str, dtype: str) -> None:
    backend = get_backend(name)
    x = np.arange(6, dtype=dtype).reshape(2, 3)
    held = backend.asarray(x)
    assert held is x
    assert backend.to_numpy(held) is x
    assert backend.asarray(x, dtype="float64").dtype == np.float64
    empty, zeros = backend.empty((2, 3), dtype), backend.zeros((2, 3), dtype)
    assert (empty.shape, empty.dtype, empty.flags.c_contiguous) == ((2, 3), x.dtype, True)
    assert_close(zeros, np.zeros((2, 3), dtype))


def test_another_library_is_read_without_a_copy() -> None:
    xp = pytest.importorskip("array_api_strict")
    x = xp.asarray([1.0, 2.0, 3.0])
    held = get_backend("numpy").asarray(x)
    assert type(held) is np.ndarray
    np.testing.assert_array_equal(held, [1.0, 2.0, 3.0])
    x[0] = 7.0
    assert held[0] == 7.0  # one memory
    assert to_host([1.0]) == [1.0]


def counting(name: str) -> tuple[Backend, Counter[str]]:
    """Return a backend that counts the calls of its kernels."""
    calls: Counter[str] = Counter()

    def around(kernel: str, run: Kernel) -> Kernel:
        def counted(*arguments: Any, **named: Any) -> Any:
            calls[kernel] += 1
            return run(*arguments, **named)

        return counted

    changed: Backend = get_backend(name).intercept(around)
    return changed, calls


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_intercept_goes_around_every_kernel(name: str) -> None:
    seen = {}

    def around(kernel: str, run: Kernel) -> Kernel:
        seen[kernel] = run
        return run

    get_backend(name).intercept(around)
    assert seen == {kernel: getattr(get_backend(name), kernel) for kernel in NAMES}


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_intercept_changes_the_copy_alone(name: str) -> None:
    original = get_backend(name)
    matmul = original.matmul
    changed, calls = counting(name)
    assert changed is not original
    assert changed.name == name
    assert original.matmul is matmul
    x = np.eye(3)
    original.matmul(x, x)
    assert not calls
    assert_close(changed.matmul(x, 2 * x), 2 * x)
    assert calls == {"matmul": 1}


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_program_on_an_intercepted_backend_runs_through_it(name: str, rng: Any) -> None:
    """Two minibatches: two products forward, two weight gradients and one input gradient each."""
    X, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 1))
    learned = []
    changed, calls = counting(name)
    for backend in (get_backend(name), changed):
        draw = np.random.default_rng(0)
        layers = [
            nn.Linear.from_storage(draw.normal(size=s), np.zeros(s[1]), backend)
            for s in ((3, 4), (4, 1))
        ]
        model = nn.Sequential(layers[0], nn.Tanh(), layers[1])
        sgd = optim.SGD(model.parameters(), lr=0.1)
        history = train(model, nn.MSELoss(), sgd, X, y, batch_size=4, backend=backend, seed=0)
        assert history.engine == "program"
        learned.append(model.state_dict())
    assert calls["matmul"] == 2 * (2 + 2 + 1)
    assert calls["tanh"] == calls["tanh_backward"] == 2
    assert calls["squared_error_backward"] == 2
    assert calls["sgd"] == 2
    for key, expected in learned[0].items():
        assert_close(learned[1][key], expected, length=8)


def test_copies_of_an_intercepted_backend() -> None:
    """A shallow copy keeps the interception; a pickle is the plain one of that name."""
    changed, calls = counting("numpy")
    copy.copy(changed).matmul(np.eye(2), np.eye(2))
    assert calls == {"matmul": 1}
    assert pickle.loads(pickle.dumps(changed)) is get_backend("numpy")
