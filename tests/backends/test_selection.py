"""Which backend is meant: argument, context, environment, place of the array, then "auto"."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier
from typing import ClassVar

import numpy as np
import pytest

import accelnn
from accelnn import BackendUnavailable, backends, get_backend, nn, register_backend, use_backend
from accelnn.backends import (
    CUPY_FROM_FLOPS,
    NUMBA_FROM_FLOPS,
    Backend,
    Status,
    choose_for_fit,
    resolve_backend,
)
from accelnn.backends.base import on_gpu
from accelnn.backends.numpy_backend import NumpyBackend
from tests.backends.conftest import GPUArray


class Other(NumpyBackend):
    name: ClassVar[str] = "other"


@pytest.fixture(autouse=True)
def other() -> Backend:
    register_backend("other", Other)
    return get_backend("other")


#: The ways to say it from the strongest to the weakest, each naming another backend.
WAYS = ["argument", "context", "environment", "array", "default"]
MEANT = {
    "argument": "other",
    "context": "numba",
    "environment": "third",
    "array": "cupy",
    "default": "numpy",
}


@pytest.mark.parametrize("strongest", WAYS)
def test_precedence(strongest: str, fake_gpu: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    class Third(NumpyBackend):
        name: ClassVar[str] = "third"

    register_backend("third", Third)
    given = set(WAYS[WAYS.index(strongest) :])
    if "environment" in given:
        monkeypatch.setenv("ACCELNN_BACKEND", "third")
    array = GPUArray() if "array" in given else np.ones(1)
    argument = "other" if "argument" in given else "auto"

    def resolve() -> Backend:
        return resolve_backend(argument, array)

    if "context" in given:
        with use_backend("numba") as chosen:
            assert chosen is get_backend("numba")
            found = resolve()
    else:
        found = resolve()
    assert found is get_backend(MEANT[strongest])


def test_every_place_asks_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELNN_BACKEND", "other")
    assert accelnn.Tensor([1.0]).backend.name == "other"
    assert nn.Linear(1, 1).weight.backend.name == "other"
    with use_backend("numba"):
        assert accelnn.Tensor([1.0]).backend.name == "numba"
        assert nn.Linear(1, 1).weight.backend.name == "numba"
        assert accelnn.Tensor([1.0], backend="numpy").backend.name == "numpy"
        assert nn.Linear(1, 1, backend="numpy").weight.backend.name == "numpy"


@pytest.mark.parametrize("nothing", ["", "auto"])
def test_the_variable_may_say_nothing(nothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELNN_BACKEND", nothing)
    assert resolve_backend().name == "numpy"


def test_an_unknown_name_in_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELNN_BACKEND", "nunpy")
    with pytest.raises(ValueError, match=r"unknown backend 'nunpy'.*did you mean 'numpy'"):
        accelnn.Tensor([1.0])


def test_a_named_backend_does_not_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(NumpyBackend):
        def __init__(self) -> None:
            raise BackendUnavailable("broken", "no device", "Buy one.")

    register_backend("broken", Broken)
    monkeypatch.setenv("ACCELNN_BACKEND", "broken")
    with pytest.raises(BackendUnavailable, match="no device"):
        accelnn.Tensor([1.0])


def test_only_arrays_on_a_gpu_choose() -> None:
    class CPUArray(GPUArray):
        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0  # kDLCPU

    assert on_gpu(GPUArray()) == "cupy"
    for x in (CPUArray(), np.ones(1), [1.0], 1.0, None):
        assert on_gpu(x) is None
    assert resolve_backend("auto", CPUArray(), np.ones(1)).name == "numpy"


def test_any_of_the_arrays_chooses(fake_gpu: Backend) -> None:
    assert resolve_backend("auto", np.ones(1), GPUArray()) is fake_gpu


def test_contexts_nest_and_end() -> None:
    assert resolve_backend().name == "numpy"
    with use_backend("other"):
        with use_backend("numba"):
            assert resolve_backend().name == "numba"
        assert resolve_backend().name == "other"
        with use_backend(get_backend("numpy")) as given:
            assert resolve_backend() is given
        with pytest.raises(KeyError), use_backend("numba"):
            raise KeyError
        assert resolve_backend().name == "other"
    assert resolve_backend().name == "numpy"


def test_a_context_of_an_unknown_backend_changes_nothing() -> None:
    with pytest.raises(ValueError, match="unknown backend 'nothing'"), use_backend("nothing"):
        raise AssertionError("never inside")
    assert resolve_backend().name == "numpy"


def test_threads_do_not_see_each_other() -> None:
    names = ["other", "numba", "other", "numba"]
    together = Barrier(len(names))

    def inside(name: str) -> list[str]:
        before = resolve_backend().name
        with use_backend(name):
            together.wait(10)  # all are inside at the same time
            during = resolve_backend().name
            together.wait(10)
        return [before, during, resolve_backend().name]

    with use_backend("numba"), ThreadPoolExecutor(len(names)) as pool:
        found = list(pool.map(inside, names))
        assert resolve_backend().name == "numba"
    assert found == [["numpy", name, "numpy"] for name in names]


def test_a_thread_can_be_given_the_context() -> None:
    with use_backend("other"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(copy_context().run, resolve_backend).result() is get_backend("other")


def test_tasks_do_not_see_each_other() -> None:
    async def inside(name: str, everyone_in: asyncio.Barrier) -> list[str]:
        before = resolve_backend().name
        with use_backend(name):
            await everyone_in.wait()
            during = resolve_backend().name
            await everyone_in.wait()
        return [before, during, resolve_backend().name]

    async def all_of_them() -> list[list[str]]:
        barrier = asyncio.Barrier(3)
        with use_backend("other"):  # what a task inherits
            tasks = [inside(name, barrier) for name in ("numpy", "numba", "numpy")]
            found = await asyncio.wait_for(asyncio.gather(*tasks), 10)
            assert resolve_backend().name == "other"
        return found

    expected = [["other", name, "other"] for name in ("numpy", "numba", "numpy")]
    assert asyncio.run(all_of_them()) == expected
    assert resolve_backend().name == "numpy"


@pytest.mark.parametrize(
    ("flops", "usable", "chosen"),
    [
        (0.0, {"numba", "cupy"}, "numpy"),
        (NUMBA_FROM_FLOPS * 0.99, {"numba", "cupy"}, "numpy"),
        (NUMBA_FROM_FLOPS, {"numba", "cupy"}, "numba"),
        (NUMBA_FROM_FLOPS, {"cupy"}, "numpy"),
        (CUPY_FROM_FLOPS * 0.99, {"numba", "cupy"}, "numba"),
        (CUPY_FROM_FLOPS, {"numba", "cupy"}, "cupy"),
        (CUPY_FROM_FLOPS, {"numba"}, "numba"),
        (CUPY_FROM_FLOPS, set(), "numpy"),
    ],
)
def test_a_fit_is_chosen_for_by_its_size(flops: float, usable: set[str], chosen: str) -> None:
    def fake(called: str) -> type[Backend]:
        class Fake(NumpyBackend):
            name: ClassVar[str] = called

            @classmethod
            def status(cls) -> Status:
                return Status(called, called in usable)

        return Fake

    for name in ("numba", "cupy"):
        register_backend(name, fake(name))
    assert choose_for_fit(flops) == chosen
    assert resolve_backend("auto", flops=flops).name == chosen
    assert resolve_backend("auto", np.ones(1)).name == "numpy"  # a tensor has no size of work
    with use_backend("other"):
        assert resolve_backend("auto", flops=flops).name == "other"


def test_a_small_fit_does_not_ask_about_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(backends, "_usable", lambda name: asked.append(name))
    choose_for_fit(NUMBA_FROM_FLOPS / 2)
    assert asked == []
    choose_for_fit(CUPY_FROM_FLOPS / 2)
    assert asked == ["numba"]
