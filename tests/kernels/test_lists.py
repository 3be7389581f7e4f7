"""The four folders have the same files, kernels and signatures, and every kernel has a cost.

The sources are parsed, not imported, so that the CuPy folder is compared on machines without CuPy.
"""

import ast
import importlib
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accelnn.kernels
from accelnn.kernels import KERNELS, NAMES, load
from accelnn.kernels.cost import Cost
from tests.golden.entries import ENTRIES
from tests.kernels.cases import CALLS, IDS, build, tuple_of

ROOT = Path(accelnn.kernels.__file__).parent
FAST = ["on_numpy", "on_numba", "on_cupy"]
REFERENCE: dict[str, Any] = {**load("reference")}


def _decorators(node: ast.FunctionDef) -> list[str]:
    called = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return [ast.unparse(d) for d in called]


def _kernels(folder: str, file: str) -> dict[str, ast.FunctionDef]:
    """Return the public functions of one file; neither compiled loops nor helpers of a loop.

    In the reference, a kernel is what declares a cost.
    """
    tree = ast.parse((ROOT / folder / f"{file}.py").read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            marks = _decorators(node)
            if "cost" in marks if folder == "reference" else not any("jit" in m for m in marks):
                found[node.name] = node
    return found


def _signature(node: ast.FunctionDef) -> list[str]:
    """Return the parameters in order, each as ``kind name: annotation = default``."""
    a = node.args
    positional = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(positional) - len(a.defaults)) + a.defaults
    written = [("positional", p, d) for p, d in zip(positional, defaults, strict=True)]
    written += [("keyword", p, d) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    parameters = [
        f"{kind} {ast.unparse(p)}" + (f" = {ast.unparse(d)}" if d else "") for kind, p, d in written
    ]
    return parameters + [f"*{p.arg}" for p in (a.vararg, a.kwarg) if p]


@pytest.mark.parametrize("file", KERNELS)
@pytest.mark.parametrize("folder", ["reference", *FAST])
def test_a_folder_has_the_kernels_of_the_list(folder: str, file: str) -> None:
    assert sorted(_kernels(folder, file)) == sorted(KERNELS[file])


@pytest.mark.parametrize(
    ("file", "name"), [(f, n) for f, ns in KERNELS.items() for n in ns], ids=NAMES
)
@pytest.mark.parametrize("folder", FAST)
def test_a_signature_is_the_reference_one_and_out(folder: str, file: str, name: str) -> None:
    reference, fast = _kernels("reference", file)[name], _kernels(folder, file)[name]
    assert _signature(fast) == [*_signature(reference), "keyword out: Any = None"]
    assert fast.returns is not None
    assert reference.returns is not None
    assert ast.unparse(fast.returns) == ast.unparse(reference.returns)
    assert ast.get_docstring(fast)


@pytest.mark.parametrize("folder", ["reference", "on_numpy", "on_numba"])
def test_load_finds_them_all(folder: str) -> None:
    kernels = load(folder)
    assert tuple(kernels) == NAMES
    for name, kernel in kernels.items():
        assert kernel.__name__ == name
        assert kernel.__module__.startswith(f"accelnn.kernels.{folder}.")


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_the_package_refuses_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT.parent))
    with pytest.raises(ImportError, match="this folder is the package"):
        importlib.import_module(ROOT.resolve().name)


def _cost(kernel: str, *arguments: Any, **scalars: Any) -> Cost:
    result = REFERENCE[kernel].cost(*arguments, **scalars)
    assert isinstance(result, Cost)
    return result


#: Multiplications, additions, other operations, counted by hand on the formula for (3, 4).
BY_HAND = {
    "matmul(x@w)": (3 * 4 * 3, 3 * 3 * 3, 0),
    "matmul(xT@dy)": (3 * 4 * 3, 3 * 3 * 3, 0),
    "matmul(dy@wT)": (3 * 4 * 3, 3 * 3 * 3, 0),
    "matmul(aT@bT)": (3 * 4 * 3, 3 * 3 * 3, 0),
    "take_rows(rows)": (0, 0, 0),
    "add_bias": (0, 12, 0),
    "sum_rows": (0, 2 * 4, 0),
    "identity": (0, 0, 0),
    "sigmoid_backward": (24, 12, 0),
    "tanh_backward": (24, 12, 0),
    "relu": (0, 0, 12),
    "leaky_relu(slope=0.01)": (12, 0, 12),
    "log_sigmoid": (0, 24, 4 * 12),
    "hardtanh_backward(-1..1)": (12, 0, 24),
    "silu": (12, 12, 24),
    "maxout(pieces=3)": (0, 0, 36),
    "maxout_backward_z(pieces=2)": (0, 0, 2 * 24),
    "squared_error_backward": (24, 12, 0),
    "poisson": (12, 4 * 12, 3 * 12),
    "poisson_backward": (12, 12, 12),
    "perceptron": (12, 24, 12),
    "perceptron_backward": (12, 12, 12),
    "sgd(decay)": (24, 24, 0),
    "momentum(torch-decay)": (4 * 12, 3 * 12, 0),
    "adam(decay)": (8 * 12, 5 * 12, 2 * 12),
}


@pytest.mark.parametrize(("name", "variant"), CALLS, ids=IDS)
def test_every_kernel_declares_its_cost(name: str, variant: str, rng: Any) -> None:
    case = build(name, variant, (3, 4), "float64", rng)
    cost = _cost(name, *case.arrays, **case.scalars)
    assert all(type(count) is int and count >= 0 for count in astuple(cost))
    if name.startswith("identity"):
        assert cost == Cost()
        return
    read = sum(a.size for a in case.arrays)
    if name == "take_rows":  # only what the index names, and the index itself costs nothing
        read = case.run(REFERENCE[name]).size
    if name == "step_backward":
        read = 0
    assert cost.reads == read
    assert cost.writes == sum(r.size for r in tuple_of(case.run(REFERENCE[name])))
    assert cost.nbytes(4) == 4 * (cost.reads + cost.writes)
    assert cost.flops == cost.multiplications + cost.additions + cost.other
    assert (cost.flops > 0) == (name not in ("take_rows", "step_backward"))
    counted = BY_HAND.get(IDS[CALLS.index((name, variant))])
    assert counted in (None, (cost.multiplications, cost.additions, cost.other))


def test_costs_by_hand_name_existing_calls() -> None:
    assert set(BY_HAND) <= set(IDS)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("matmul", "sum_rows", "take_rows")])
def test_cost_is_proportional_to_the_rows(name: str, rng: Any) -> None:
    variant = next(v for n, v in CALLS if n == name)
    one, five = (build(name, variant, (rows, 6), "float32", rng) for rows in (1, 5))
    small, large = (_cost(name, *c.arrays, **c.scalars) for c in (one, five))
    assert large.flops == 5 * small.flops


def test_cost_adds_up() -> None:
    total = Cost(1, 2, 3, 4, 5) + Cost(10, 20, 30, 40, 50)
    assert total == Cost(11, 22, 33, 44, 55)
    assert total.flops == 66


def test_golden_operation_counts() -> None:
    """m n multiplications and m (n-1) additions for A h; a network's products, both directions."""
    expected = ENTRIES["S4-G18"]["expected"]
    product = _cost("matmul", np.empty((3, 5)), np.empty((5, 1)))
    assert product.multiplications == expected["Ah_3x5"]["mul"] == 15
    assert product.additions == expected["Ah_3x5"]["add"] == 12

    product = _cost("matmul", np.empty((3, 2)), np.empty((2, 3)))
    assert product.multiplications == ENTRIES["S1-G05"]["expected"]["n_mul"]
    assert product.additions == ENTRIES["S1-G05"]["expected"]["n_add"]

    for number, sizes in enumerate(ENTRIES["S4-G18"]["inputs"]["layer_sizes"]):
        forward = backward = Cost()
        for layer, (a, b) in enumerate(pairwise(sizes)):
            x, w, dy = np.empty((1, a)), np.empty((a, b)), np.empty((1, b))
            forward += _cost("matmul", x, w)
            backward += _cost("matmul", x, dy, ta=True)
            if layer:  # the first layer's input needs no gradient
                backward += _cost("matmul", dy, w, tb=True)
        assert forward.multiplications == expected["forward_mul"][number]
        assert backward.multiplications == expected["backward_mul"][number]
