"""Clipping: the norm of all gradients together, in place, and what is left alone."""

import math
from typing import Any

import numpy as np
import pytest

from accelnn import Parameter, Tensor, nn
from accelnn.backends import Backend, get_backend
from accelnn.nn.utils import clip_grad_norm_
from tests.tolerances import assert_close


def with_gradient(gradient: Any, backend: Backend) -> Parameter:
    gradient = np.asarray(gradient)
    p = Parameter(np.ones(gradient.shape, gradient.dtype), backend=backend)
    p.grad = Tensor(backend.asarray(gradient.copy()), backend=backend)
    return p


def gradients(parameters: list[Parameter]) -> list[Any]:
    return [p.grad.numpy() for p in parameters if p.grad is not None]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 3, 1000.0])
def test_value(backend: Backend, dtype: str, max_norm: float, rng: Any) -> None:
    arrays = [rng.normal(size=shape).astype(dtype) for shape in [(4, 3), (3,), (), (0, 2)]]
    parameters = [with_gradient(a, backend) for a in arrays]
    norm = math.sqrt(sum(float(x) ** 2 for a in arrays for x in a.reshape(-1)))
    factor = min(1.0, max_norm / (norm + 1e-6))
    found = clip_grad_norm_(parameters, max_norm)
    assert (found.shape, found.requires_grad) == ((), False)
    assert_close(np.asarray(found.numpy()), np.asarray(norm, dtype), length=20)
    for clipped, before in zip(gradients(parameters), arrays, strict=True):
        assert_close(clipped, np.asarray(before * factor, dtype), length=20)


def test_a_norm_below_the_limit_changes_nothing(backend: Backend, rng: Any) -> None:
    p = with_gradient([3.0, 4.0], backend)
    assert clip_grad_norm_([p], 5.1).item() == 5.0
    assert gradients([p])[0].tolist() == [3.0, 4.0]


def test_in_place_also_of_a_linear(backend: Backend, rng: Any) -> None:
    """Whoever holds the gradient, of any memory order, sees the change."""
    layer = nn.Linear(3, 2, dtype="float64", backend=backend)
    layer(rng.normal(size=(5, 3))).sum().backward()
    held = [p.grad for p in layer.parameters()]
    arrays = [grad.array for grad in held if grad is not None]
    before = clip_grad_norm_(layer.parameters(), 0.1).item()
    assert before > 0.1
    assert [p.grad for p in layer.parameters()] == held
    assert math.hypot(*(float(x) for a in arrays for x in np.ravel(backend.to_numpy(a)))) == (
        pytest.approx(0.1, rel=2e-6 / before)
    )


def test_parameters_without_gradient(backend: Backend) -> None:
    without, one = Parameter([1.0], backend=backend), with_gradient([3.0, 4.0], backend)
    assert clip_grad_norm_([without, one], 1).item() == 5.0
    assert without.grad is None
    assert clip_grad_norm_([without], 1).item() == 0.0
    assert clip_grad_norm_(one, 1).item() == pytest.approx(1, abs=1e-6)  # a Tensor alone


def test_nan_is_everywhere(backend: Backend) -> None:
    parameters = [with_gradient([math.nan], backend), with_gradient([1.0], backend)]
    assert math.isnan(clip_grad_norm_(parameters, 1).item())
    assert all(np.isnan(g).all() for g in gradients(parameters))


@pytest.mark.parametrize("max_norm", [-1, math.nan, math.inf, "1", None])
def test_bad_limit(max_norm: Any) -> None:
    with pytest.raises(ValueError, match="max_norm must be a number of at least 0, got"):
        clip_grad_norm_([], max_norm)


def test_two_backends() -> None:
    one, two = (with_gradient([1.0], get_backend(name)) for name in ("numpy", "numba"))
    with pytest.raises(TypeError, match="'numpy' and 'numba'"):
        clip_grad_norm_([one, two], 1)
