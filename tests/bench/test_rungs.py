"""The rungs compute the product, its operations are counted, and threads are what was set."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from accelnn.backends import get_backend
from accelnn.bench import test_matmul as suite
from accelnn.bench.intensities import kernels, prepared
from accelnn.bench.peer_products import Product, check, operands, training_step
from accelnn.bench.rungs import RUNGS, Rung, chosen, result
from accelnn.bench.settings import Settings
from accelnn.bench.shared_adam import shared_adam
from accelnn.bench.thread_counts import counts, on_threads, threads_of
from accelnn.kernels.on_numba.threads import pool
from tests.device import DeviceBackend

CPU = Settings(backends=("numpy", "numba"))
SIZES = [(1, 1, 1), (7, 5, 9), (12, 33, 17)]


@pytest.mark.parametrize("letters", ["NN", "TN", "NT"])
@pytest.mark.parametrize("rung", chosen(CPU), ids=lambda rung: rung.name)
def test_every_rung_computes_the_product(rung: Rung, letters: str) -> None:
    for sizes in SIZES:
        p = Product("test", *sizes, ta=letters[0] == "T", tb=letters[1] == "T")
        a, b, out = operands(p)
        with on_threads(rung.threads):
            found = result(rung.prepare(a, p.ta, b, p.tb, out)(), out)
        assert found.dtype == np.float32
        check(p, a, b, found)


def test_rungs_are_those_of_the_backends_that_were_asked_for() -> None:
    names = {rung.name for rung in chosen(replace(CPU, backends=("numpy",)))}
    assert {"three loops in Python", "NumPy's product, 1 thread"} <= names
    assert not {name for name in names if RUNGS.get(name) and RUNGS[name].backend == "numba"}
    cupy = [rung for rung in chosen(replace(CPU, backends=("cupy:1",))) if rung.backend]
    assert [rung.name for rung in cupy] == ["CuPy (cuBLAS), GPU 1"]


def test_a_gpu_is_given_its_own_arrays_and_waited_for(
    device: DeviceBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    monkeypatch.setattr(device, "synchronize", lambda: waits.append(1))
    (rung,) = (rung for rung in chosen(replace(CPU, backends=("cupy",))) if rung.backend)
    p = Product("test", 7, 5, 9, ta=True)
    a, b, out = operands(p)
    call = rung.prepare(a, True, b, False, out)
    assert not waits
    check(p, a, b, result(call(), out))
    assert waits == [1]
    for kernel in kernels(Settings("smoke")):
        waits.clear()
        prepared(kernel, device)()
        assert len(waits) == 2  # with the call that was checked


def test_a_kernel_is_checked_before_it_is_timed() -> None:
    def idle(_name: str, _kernel: Any) -> Any:
        return lambda *_, out, **__: out

    broken = get_backend("numpy").intercept(idle)
    for kernel in kernels(Settings("smoke")):
        with pytest.raises(AssertionError, match=kernel.label):
            prepared(kernel, broken)


def test_operations_of_a_product_counted_by_hand() -> None:
    """Nine sums of two products each: one addition per sum, all at the same time."""
    p = Product("test", 3, 2, 3)
    assert (p.multiplications, p.additions, p.work) == (18, 9, 27)
    assert (p.span, p.parallelism) == (2, 13.5)
    assert p.bytes == 4 * (6 + 6 + 9)


@pytest.mark.parametrize(("k", "span"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (512, 10)])
def test_span_is_one_multiplication_and_a_tree_of_sums(k: int, span: int) -> None:
    p = Product("test", 4, k, 6)
    assert p.span == span
    assert p.parallelism == 24 * (2 * k - 1) / span


def test_products_of_a_step() -> None:
    found = [(p.n, p.k, p.m, p.letters) for p in training_step(5, (4, 3, 2))]
    assert found == [
        (5, 4, 3, "NN"), (5, 3, 2, "NN"), (4, 5, 3, "TN"), (3, 5, 2, "TN"), (5, 2, 3, "NT"),
    ]  # fmt: skip
    assert len(list(training_step(128))) == 8


def test_what_is_too_slow_or_too_large_is_left_out_with_its_reason() -> None:
    big, small = Product("test", 1024, 1024, 1024), Product("test", 64, 64, 64)
    loops, at_once = (RUNGS[name] for name in list(RUNGS)[:2])
    assert "one product would take" in suite.against(loops, big, CPU)
    assert "4,096 MiB" in suite.against(at_once, big, CPU)
    assert not suite.against(loops, small, CPU)
    assert not suite.against(at_once, small, CPU)
    assert not suite.against(RUNGS["NumPy's product, 1 thread"], big, CPU)


def parts() -> int:
    """Return how many threads a job of the engine has."""
    arrays: list[Any] = [np.ones(1000, np.float32) for _ in range(4)]
    return shared_adam(*arrays)


def blas() -> set[int]:
    return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}


def test_threads_are_what_was_set_and_then_what_they_were() -> None:
    before = threads_of("numba"), threads_of("numpy"), blas()
    for count in (1, min(pool().size, 4)):
        with on_threads(count):
            assert (threads_of("numba"), threads_of("numpy")) == (count, count)
            assert blas() == {count}
            # a worker may oversleep on a busy machine, but none comes that was not asked for
            assert max(parts() for _ in range(20)) == count
        assert (threads_of("numba"), threads_of("numpy"), blas()) == before
    with pytest.raises(RuntimeError, match="cannot be set"), on_threads(pool().size + 1):
        pass
    assert threads_of("numba") == before[0]
    with on_threads(None):
        assert threads_of("numba") == before[0]


def test_counts_of_threads() -> None:
    assert counts(1) == (1,)
    assert counts(6) == (1, 2, 3, 4, 5, 6)
    assert counts(12) == (1, 2, 4, 8, 12)
    assert counts(16) == (1, 2, 4, 8, 16)


def test_the_same_rungs_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a product would be measured anew for each rung of it."""
    monkeypatch.setattr("accelnn.bench.rungs.find_spec", lambda name: "it is installed")
    settings = Settings(backends=("numpy", "cupy"))
    assert {"array API: torch", "CuPy (cuBLAS)"} < {rung.name for rung in chosen(settings)}
    assert chosen(settings) == chosen(settings)
