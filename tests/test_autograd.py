"""The graph: every operation by value and by differences, branches, and what backward refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import Parameter, Tensor, no_grad
from accelnn.autograd import record
from accelnn.backends import Backend
from accelnn.errors import GraphError
from accelnn.graph import topological_order
from accelnn.nn import functional as F
from tests.golden.entries import Golden
from tests.tolerances import assert_close

#: Operators mean the same for Tensors and for arrays, so each is its own reference.
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
}


def leaf(values: Any, backend: Backend, dtype: Any = "float64") -> Tensor:
    return Tensor(values, True, dtype=dtype, backend=backend)


def grad(x: Tensor) -> Any:
    """Return a gradient that must be there, on the host."""
    assert x.grad is not None
    return x.grad.numpy()


def positive(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.5, 2, shape)


# What a Tensor holds ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([1.0, 2], "float32"),
        ([1, 2], "int64"),
        ([True], "bool"),
        (np.float64(1), "float64"),
        (np.ones(2, "float32"), "float32"),
        (np.ones(2), "float64"),
        (np.ones(2, "int32"), "int32"),
    ],
    ids=str,
)
def test_dtype(backend: Backend, data: Any, dtype: str) -> None:
    assert str(Tensor(data, backend=backend).dtype) == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [2, 2.5, True, np.float64(2), np.float32(2), np.int64(2)])
def test_numbers_take_the_dtype_of_the_tensor(backend: Backend, number: Any, dtype: str) -> None:
    x = leaf([1.0, 3.0], backend, dtype)
    for f in BINARY.values():
        assert_close(f(x, number).numpy(), f(x.numpy(), float(number)).astype(dtype))
        assert str(f(number, x).dtype) == dtype


def test_a_fraction_is_not_rounded_to_an_integer_tensor() -> None:
    assert (Tensor([1, 3]) * 0.5).tolist() == [0.5, 1.5]


def test_arrays_are_not_copied() -> None:
    x = np.ones(3)
    assert Tensor(x).array is x
    assert Tensor(Tensor(x)).array is x


def test_only_floats_have_gradients(backend: Backend) -> None:
    with pytest.raises(TypeError, match=r"got int64; pass dtype='float32'"):
        Tensor([1, 2], True, backend=backend)
    assert Parameter([1, 2], False).requires_grad is False
    assert Parameter([1.0]).requires_grad


def test_ragged_rows_are_named() -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        Tensor([[1.0], [1.0, 2.0]])
    with pytest.raises(TypeError, match="expected numbers, got str"):
        Tensor("abc")


def test_golden_dimensions(backend: Backend) -> None:
    golden = Golden("S3-G14")
    ndim = [Tensor(x, backend=backend).ndim for x in golden.inputs["examples"]]
    assert ndim == golden.expected["ndim"]
    x = Tensor(Golden("S1-G12").inputs["data"], backend=backend)
    assert (x.ndim, list(x.shape), len(x)) == (3, [2, 2, 3], 2)


def test_repr_and_host(backend: Backend) -> None:
    x = Tensor([1.0, 2.0], True, backend=backend)
    assert repr(x) == "Tensor([1., 2.], dtype=float32, requires_grad=True)"
    assert repr((x + x).exp()).endswith("dtype=float32, op=exp)")
    assert repr(x.detach()) == "Tensor([1., 2.], dtype=float32)"
    assert x.tolist() == [1.0, 2.0]
    assert isinstance(x.numpy(), np.ndarray)
    assert x[1].item() == 2.0
    with pytest.raises(ValueError, match="size 1"):
        x.item()


def test_two_backends_in_one_operation() -> None:
    a, b = Tensor([1.0], backend="numpy"), Tensor([1.0], backend="numba")
    products: list[Any] = [lambda s, t: s.reshape(1, 1) @ t.reshape(1, 1)]
    for f in (*BINARY.values(), *products):
        with pytest.raises(TypeError, match="'numpy' and 'numba'"):
            f(a, b)


def test_data_is_the_same_memory_and_can_be_replaced(backend: Backend) -> None:
    w = leaf([1.0, 2.0], backend, "float32")
    assert w.data.requires_grad is False
    w.data[0] = 5
    assert w.tolist() == [5, 2]
    w.data = [[3.0], [4.0]]  # a list takes the dtype that was there
    assert (w.tolist(), str(w.dtype), w.requires_grad) == ([[3], [4]], "float32", True)
    w.data = leaf([7.0], backend).data
    assert (w.tolist(), str(w.dtype)) == ([7], "float64")


# The way back -------------------------------------------------------------------------------------


def test_golden_graph(backend: Backend) -> None:
    golden = Golden("S0-G01")
    a, b, c = (golden.tensor(k, backend, True) for k in "abc")
    u = b * c
    v = a + u
    for t in (u, v):
        t.retain_grad()
    L = 3 * v
    L.backward()
    for name, x in {"u": u, "v": v, "L": L}.items():
        golden.check(name, x)
    for name, x in {"da": a, "db": b, "dc": c, "du": u, "dv": v}.items():
        golden.check(name, grad(x))
    assert L.grad is None


def test_golden_slopes_step_by_step(backend: Backend) -> None:
    golden = Golden("S1-G02")
    a, b, c = (golden.tensor(k, backend, True) for k in ("a", "b", "c"))
    a.array = a.array + 0.1
    u = a * b
    v = u + c
    J = 2 * v
    for name, x in {"u": u, "v": v, "J": J}.items():
        golden.check(name, x)
    u.retain_grad()
    v.retain_grad()
    J.backward()
    golden.check("dJ_da", grad(a))
    golden.check("dJ_dv", grad(v))
    golden.equal(grad(a) / grad(u), golden.expected["du_da"])


def test_golden_branches(backend: Backend) -> None:
    golden = Golden("S2-G14")
    w1, w2, w3, w4 = (golden.tensor(f"w{i}", backend, True) for i in (1, 2, 3, 4))
    v = w1 * golden.tensor("x", backend)
    v.retain_grad()
    y = w2 * v + w4 * (w3 * v)
    J = (y - 1) ** 2
    J.backward()
    golden.check("yhat", y)
    golden.check("J", J)
    for name, t in {"dv": v, "dw1": w1, "dw2": w2, "dw3": w3, "dw4": w4}.items():
        golden.check(name, grad(t))


def test_golden_loop(backend: Backend) -> None:
    """The logistic map: every step uses the value before twice."""
    golden = Golden("S2-G17")
    for n in range(4):
        x = golden.tensor("x", backend, True)
        y = x * 1
        for _ in range(n):
            y = 4 * y * (1 - y)
        y.sum().backward()
        golden.equal(y, golden.expected["values"][n])
        golden.equal(grad(x), golden.expected["derivatives"][n])


def test_golden_leaf_without_gradient(backend: Backend) -> None:
    golden = Golden("S2-G19")
    x, w1, w2 = (golden.tensor(k, backend, k != "x") for k in ("x", "w1", "w2"))
    y = w2 * F.sigmoid(w1 * x)
    y.backward()
    golden.check("y", y)
    golden.check("w1_grad", grad(w1))
    golden.check("w2_grad", grad(w2))
    assert x.grad is golden.expected["x_grad"] is None


def test_golden_accumulation(backend: Backend) -> None:
    golden = Golden("S1-G29")
    w = golden.tensor("w", backend, True)
    for key in ("after_1", "after_2"):
        (w**2).sum().backward()
        golden.check(key, grad(w))
    w.grad = None
    (w**2).sum().backward()
    golden.check("after_1", grad(w))


def test_a_diamond_is_walked_once(backend: Backend) -> None:
    calls = []
    x = leaf([2.0], backend)

    def backward(g: Any) -> tuple[Any]:
        calls.append(float(g[0]))
        return (g * 3,)

    middle = record("triple", x.array * 3, (x,), backward)
    (middle * 5 + middle * 7).backward()
    assert calls == [12.0]
    assert_close(grad(x), np.array([36.0]))


def test_two_outputs_of_one_graph(backend: Backend) -> None:
    x = leaf([2.0], backend)
    shared = x * x
    (shared * 3).backward(retain_graph=True)
    (shared * 5).backward()
    assert_close(grad(x), np.array([32.0]))


def test_retain_graph_and_then_the_end(backend: Backend) -> None:
    x = leaf([3.0], backend)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert_close(grad(x), np.array([12.0]))
    with pytest.raises(GraphError, match=r"used up .*\(at mul\).*retain_graph=True"):
        y.backward()
    assert_close(grad(x), np.array([12.0]))


def test_a_used_up_part_leaves_no_gradient_half_written(backend: Backend) -> None:
    x, fresh = leaf([3.0], backend), leaf([5.0], backend)
    used = x * x
    used.backward()
    with pytest.raises(GraphError, match="used up"):
        (fresh * 2 + used).backward()
    assert fresh.grad is None
    assert_close(grad(x), np.array([6.0]))


def test_backward_needs_a_gradient_for_several_elements(backend: Backend) -> None:
    x = leaf([1.0, 2.0], backend)
    with pytest.raises(GraphError, match=r"shape \(2,\) needs gradient="):
        (x * x).backward()
    with pytest.raises(ValueError, match=r"gradient has shape \(1, 2\), expected .*\(2,\)"):
        (x * x).backward([[1.0, 1.0]])
    assert x.grad is None
    (x * x).backward(Tensor([1.0, 10.0], backend=backend))
    assert_close(grad(x), np.array([2.0, 40.0]))


def test_backward_of_what_needs_none() -> None:
    with pytest.raises(GraphError, match="requires_grad=True, or it was computed under no_grad"):
        Tensor([1.0]).backward()
    x = Tensor([1.0], True)
    with no_grad():
        y = x * 2
    assert y.is_leaf
    assert not y.requires_grad
    with pytest.raises(GraphError, match="needs no gradient"):
        y.backward()


def test_no_grad_ends_also_by_an_error() -> None:
    x = Tensor([1.0], True)
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * 2).requires_grad


def test_detach_cuts(backend: Backend) -> None:
    x = leaf([3.0], backend)
    y = x * x
    assert y.detach().array is y.array
    (y.detach() * x).backward()
    assert_close(grad(x), np.array([9.0]))


def test_backward_of_a_leaf(backend: Backend) -> None:
    x = leaf([3.0], backend)
    x.backward()
    assert_close(grad(x), np.array([1.0]))


def test_inner_gradients_only_on_request(backend: Backend) -> None:
    x = leaf([3.0], backend)
    inner, kept = x * 2, x * 3
    kept.retain_grad()
    (inner * kept).backward()
    assert inner.grad is None
    assert_close(grad(kept), np.array([6.0]))
    assert_close(grad(x), np.array([36.0]))


@pytest.mark.parametrize("wide_first", [True, False])
def test_a_gradient_has_the_dtype_of_its_tensor(backend: Backend, wide_first: bool) -> None:
    a, b = leaf([2.0], backend, "float64"), leaf([3.0], backend, "float32")
    (a * b if wide_first else b * a).backward()
    assert_close(grad(a), np.array([3.0]))
    assert_close(grad(b), np.array([2.0], "float32"))


def test_gradients_share_no_memory(backend: Backend) -> None:
    """Clipping one in place must change no other, nor the array the user passed."""
    a, b, c = (leaf([1.0, 2.0], backend) for _ in range(3))
    seed = backend.xp.ones(2)
    inner = a + b
    inner.retain_grad()
    (inner + c.reshape(1, 2).reshape(2)).backward(seed)
    for t in (a, b, c, inner):
        assert t.grad is not None
        t.grad.array *= 10
        assert_close(grad(t), np.array([10.0, 10.0]))
    assert_close(seed, np.ones(2))


def test_one_array_for_two_inputs_is_copied(backend: Backend) -> None:
    a, b = leaf([1.0], backend), leaf([2.0], backend)

    def backward(g: Any) -> tuple[Any, Any]:
        both = g * 3
        return both, both

    record("mine", a.array + b.array, (a, b), backward).backward()
    assert a.grad is not None
    a.grad.array[0] = 7
    assert_close(grad(b), np.array([3.0]))


def test_the_gradient_of_a_sum_can_be_written_to(backend: Backend) -> None:
    x = leaf([[1.0, 2.0]], backend)
    x.sum().backward()
    assert x.grad is not None
    x.grad.array[0, 0] = 5
    assert x.grad.tolist() == [[5.0, 1.0]]


def test_a_chain_deeper_than_the_stack() -> None:
    x = Tensor(np.ones(1), True)
    y = x
    for _ in range(10_000):
        y = y + 1
    assert y.item() == 10_001
    assert len(topological_order(y)) == 10_001
    y.backward()
    assert_close(grad(x), np.ones(1))


def test_parents_come_before_children() -> None:
    x, frozen = Tensor([1.0], True), Tensor([1.0])
    a = x * 2
    b = a * frozen
    c = a + b
    order = [id(t) for t in topological_order(c)]
    assert order == [id(t) for t in (x, a, b, c)]
