"""Changes in place: what they write, what the graph forbids, and what a backward pass notices."""

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, changes, nn, no_grad, optim
from accelnn.backends import Backend, get_backend
from accelnn.errors import GraphError
from accelnn.graph import record

Change = Callable[[Tensor], Any]


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def grad(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


def add(x: Tensor) -> Tensor:
    x += 1
    return x


def sub(x: Tensor) -> Tensor:
    x -= 1
    return x


def mul(x: Tensor) -> Tensor:
    x *= 3
    return x


def div(x: Tensor) -> Tensor:
    x /= 2
    return x


def assign(x: Tensor) -> Tensor:
    x[1] = 9.0
    return x


#: From [2, 4] to.
CHANGES: dict[str, tuple[Change, list[float]]] = {
    "+=": (add, [3, 5]),
    "-=": (sub, [1, 3]),
    "*=": (mul, [6, 12]),
    "/=": (div, [1, 2]),
    "x[...] =": (assign, [2, 9]),
    "add_": (lambda x: x.add_([1, 2]), [3, 6]),
    "add_ alpha": (lambda x: x.add_(1, alpha=10), [12, 14]),
    "sub_": (lambda x: x.sub_([1, 2], alpha=2), [0, 0]),
    "mul_": (lambda x: x.mul_(x), [4, 16]),
    "div_": (lambda x: x.div_(4), [0.5, 1]),
    "zero_": (lambda x: x.zero_(), [0, 0]),
    "fill_": (lambda x: x.fill_(7), [7, 7]),
    "copy_": (lambda x: x.copy_(np.array([5, 6])), [5, 6]),
}
change = pytest.mark.parametrize("name", CHANGES)


# What is written ----------------------------------------------------------------------------------


@change
def test_outside_the_graph(backend: Backend, name: str) -> None:
    x = Tensor([2.0, 4.0], backend=backend)
    array, shared = x.array, x.detach()
    y = CHANGES[name][0](x)
    assert y is x
    assert x.array is array
    assert (x.tolist(), str(x.dtype)) == (CHANGES[name][1], "float32")
    assert shared.tolist() == CHANGES[name][1]


@pytest.mark.parametrize("name", ["+=", "*=", "add_ alpha", "mul_", "zero_", "fill_"])
def test_a_number_that_numpy_made_of_a_product(name: str) -> None:
    """Its array is no array, and gets one."""
    x = Tensor(2.0, backend="numpy") * 1
    assert CHANGES[name][0](x) is x
    assert x.tolist() == CHANGES[name][1][0]


@change
def test_arrays_that_cannot_be_written_to(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A functional backend: the tensor gets another array, the old one keeps its values."""
    backend = get_backend("numpy").intercept(lambda _, kernel: kernel)
    monkeypatch.setattr(backend, "in_place", False, raising=False)
    x = Tensor([2.0, 4.0], backend=backend)
    array = x.array
    assert CHANGES[name][0](x) is x
    assert (x.tolist(), array.tolist()) == (CHANGES[name][1], [2.0, 4.0])


def test_a_view_writes_through(backend: Backend) -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], backend=backend)
    x[0].zero_()
    x.T[0] += 10
    x[x > 12] = -1.0
    assert x.tolist() == [[10.0, 0.0], [-1.0, 4.0]]


def test_from_another_backend(backend: Backend) -> None:
    x = Tensor([0.0, 0.0], backend=backend)
    assert x.copy_(Tensor([1.0, 2.0], backend="numpy")).tolist() == [1.0, 2.0]
    assert x.backend is backend


def test_what_does_not_fit() -> None:
    x = Tensor([1, 2])
    with pytest.raises(TypeError, match=r"\+= would round float32 to this tensor's int64"):
        x += 0.5
    with pytest.raises(ValueError, match="broadcast"):
        Tensor([1.0]).add_([1.0, 2.0])
    assert x.tolist() == [1, 2]


# What the graph forbids ---------------------------------------------------------------------------


@change
def test_a_leaf_that_learns(backend: Backend, name: str) -> None:
    w = leaf([2.0, 4.0], backend)
    with pytest.raises(GraphError, match=r"a leaf that requires a gradient.*under no_grad"):
        CHANGES[name][0](w)
    assert w.tolist() == [2.0, 4.0]
    array = w.array
    with no_grad():
        assert CHANGES[name][0](w) is w
    assert w.array is array
    assert (w.tolist(), w.requires_grad, w.is_leaf) == (CHANGES[name][1], True, True)


@pytest.mark.parametrize("name", [n for n in CHANGES if n[-1] != "=" or n[0] == "x"])
def test_methods_leave_a_graph_alone(backend: Backend, name: str) -> None:
    y = leaf([2.0, 4.0], backend) * 1
    with pytest.raises(GraphError, match=r"inside a graph \(made by mul\); compute a new one"):
        CHANGES[name][0](y)


def test_augmented_assignment_inside_a_graph_makes_a_new_tensor(backend: Backend) -> None:
    x = leaf([2.0], backend)
    y = first = x * x
    y += 3 * x
    y *= x
    y -= 1
    y /= 2
    assert y is not first
    assert first.tolist() == [4.0]
    y.backward()  # (x³ + 3 x² - 1) / 2
    assert (y.tolist(), grad(x)) == ([9.5], [12.0])


def test_a_total_of_losses(backend: Backend) -> None:
    """A plain tensor that something of a graph is added to becomes part of it."""
    w = leaf([2.0], backend)
    total = start = Tensor([0.0], dtype="float64", backend=backend)
    for factor in (1.0, 2.0, 3.0):
        total += w * factor
    total.backward()
    assert (start.tolist(), total.tolist(), grad(w)) == ([0.0], [12.0], [6.0])
    with pytest.raises(GraphError, match="values that require a gradient"):
        start.add_(w)
    with pytest.raises(GraphError, match="cat, stack"):
        start[0] = w[0]


# What a backward pass notices ---------------------------------------------------------------------

#: An operation -> the operands whose elements its way back reads.
READS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "add": (lambda a, b: a + b, ""),
    "sub": (lambda a, b: a - b, ""),
    "sum": (lambda a, b: a.sum() + b.mean(), ""),
    "reshape": (lambda a, b: a.reshape(2, 1).T + b.unsqueeze(0), ""),
    "getitem": (lambda a, b: a[0] + b[[1, 1]], ""),
    "mul": (lambda a, b: a * b, "ab"),
    "div": (lambda a, b: a / b, "ab"),
    "number": (lambda a, b: 3 * a - b / 3, ""),
    "pow": (lambda a, b: a**2 + b, "a"),
    "tensor pow": (lambda a, b: a**b, "ab"),
    "exp": (lambda a, b: a.exp() + b.sigmoid(), ""),
    "log": (lambda a, b: a.log() + b, "a"),
    "maximum": (lambda a, b: a.maximum(b), "ab"),
    "where": (lambda a, b: a.where(a > b, b), ""),
    "matmul": (lambda a, b: a @ b, "ab"),
    "max": (lambda a, b: a.max() + b.max(dim=0).values, "a"),
    "cat": (lambda a, b: nn.functional.relu(a) + b, ""),
}


@pytest.mark.parametrize("changed", ["a", "b"])
@pytest.mark.parametrize("name", READS)
def test_only_what_a_way_back_reads_must_stay(backend: Backend, name: str, changed: str) -> None:
    f, reads = READS[name]
    a, b = leaf([1.0, 2.0], backend), leaf([3.0, 1.5], backend)
    f(a, b).sum().backward()
    expected = grad(a), grad(b)
    a.grad = b.grad = None
    y = f(a, b).sum()
    with no_grad():
        (a if changed == "a" else b).mul_(10)
    if changed in reads:
        with pytest.raises(GraphError, match=r"needs an array of shape \(.*changed in place after"):
            y.backward()
        assert a.grad is b.grad is None
    else:
        y.backward()
        assert (grad(a), grad(b)) == expected


def test_the_message(backend: Backend) -> None:
    x = leaf([1.0, 2.0], backend)
    y = x.exp()
    with no_grad():
        y += 1
    expected = (
        r"through exp needs an array of shape \(2,\) .* after exp had read it; change a clone"
    )
    with pytest.raises(GraphError, match=expected):
        y.backward([1.0, 1.0])


@pytest.mark.parametrize("way", ["itself", "data", "detached", "a view", "its base", "an index"])
def test_through_whatever_shares_the_memory(backend: Backend, way: str) -> None:
    base = Tensor([[1.0, 2.0], [3.0, 4.0]], dtype="float64", backend=backend)
    x, w = base[0], leaf([1.0, 1.0], backend)
    y = (x * w).sum()
    ways: dict[str, Change] = {
        "itself": lambda x: x.zero_(),
        "data": lambda x: x.data.zero_(),
        "detached": lambda x: x.detach().add_(1),
        "a view": lambda x: x.reshape(2, 1).mul_(2),
        "its base": lambda _: base.zero_(),
        "an index": lambda x: assign(x),
    }
    ways[way](x)
    gc.collect()  # the view that was written through is gone
    with pytest.raises(GraphError, match="changed in place"):
        y.backward()


def test_a_clone_before_and_a_change_before(backend: Backend) -> None:
    x, w = Tensor([1.0, 2.0], dtype="float64", backend=backend), leaf([1.0, 1.0], backend)
    x += 1
    y = (x.clone() * w).sum()
    x.zero_()
    y.backward()
    assert grad(w) == [2.0, 3.0]


def test_an_optimizer_step_is_a_change(backend: Backend) -> None:
    model = nn.Sequential(nn.Linear(2, 2, backend=backend), nn.Linear(2, 1, backend=backend))
    for optimizer in (
        optim.SGD(model.parameters(), lr=0.1),
        optim.Adam(model.parameters(), lr=0.1),
    ):
        loss = model(np.ones((3, 2), np.float32)).sum()
        loss.backward(retain_graph=True)
        optimizer.step()
        with pytest.raises(GraphError, match="through linear needs an array"):
            loss.backward()


def test_loading_a_state_is_a_change(backend: Backend) -> None:
    model = nn.Sequential(nn.Linear(2, 2, backend=backend), nn.Linear(2, 1, backend=backend))
    loss = model(np.ones((3, 2), np.float32)).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_a_first_layer_needs_its_input_only(backend: Backend) -> None:
    """As in PyTorch: a graph that no step has spoilt may be walked again."""
    layer = nn.Linear(2, 1, backend=backend)
    loss = layer(np.ones((3, 2), np.float32)).sum()
    loss.backward(retain_graph=True)
    optim.SGD(layer.parameters(), lr=0.1).step()
    loss.backward()
    assert layer.bias is not None
    assert grad(layer.bias) == [6.0]


def in_a_tensor(x: Tensor) -> Any:
    return lambda g: (g * x.array,)


def in_lists(x: Tensor) -> Any:
    pair = (0, [x.array])
    return lambda g: (g * pair[1][0],)


def in_a_function(x: Tensor) -> Any:
    inner = in_a_tensor(x)
    return lambda g: inner(g)


def in_a_partial(x: Tensor) -> Any:
    inner = partial(lambda array, g: (g * array,), x.array)
    return lambda g: inner(g)


@pytest.mark.parametrize("keep", [in_a_tensor, in_lists, in_a_function, in_a_partial])
def test_arrays_wherever_a_way_back_keeps_them(keep: Callable[[Tensor], Any]) -> None:
    x, w = Tensor([1.0]), Tensor([2.0], True)
    y = record("mine", w.array * x.array, (w,), keep(x))
    y.backward(retain_graph=True)
    x += 1
    with pytest.raises(GraphError, match="through mine needs"):
        y.backward()


def test_the_memory_of_changes_is_bounded() -> None:
    x = Tensor(np.zeros(3))
    x += 1
    before = len(changes._changes)
    for i in range(100):
        x += 1
        x[i % 3] = 5.0
        x[1:] *= 2
    assert len(changes._changes) == before
    more = [Tensor(np.zeros(3)) for _ in range(10)]
    for each in more:
        each += 1
    assert len(changes._changes) == before + 10
    del each, more
    gc.collect()
    assert len(changes._changes) == before
