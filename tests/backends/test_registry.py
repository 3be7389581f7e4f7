"""Backends by name: one instance each, errors that say what to do, and what is listed."""

import copy
import pickle
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

import accelnn
from accelnn import BackendUnavailable, get_backend, list_backends, register_backend
from accelnn.backends import Backend, Status, cupy_probe, numba_backend
from accelnn.backends.numpy_backend import NumpyBackend
from tests.backends.fresh import printed


class Mine(NumpyBackend):
    name: ClassVar[str] = "mine"


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_there_is_one_instance(name: str) -> None:
    backend = get_backend(name)
    assert backend.name == name
    assert get_backend(name) is backend
    assert get_backend(backend) is backend
    assert repr(backend) == f"<accelnn backend {name!r}>"


def test_threads_get_the_same_instance() -> None:
    register_backend("mine", Mine)
    found: list[Backend] = []
    threads = [Thread(target=lambda: found.append(get_backend("mine"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(backend is found[0] for backend in found)


@pytest.mark.parametrize("name", ["numpy", "numba"])
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))]
)
def test_a_copy_computes_the_same(name: str, copied: Any) -> None:
    backend = get_backend(name)
    twin = copied(backend)
    assert twin is backend or copied is copy.copy
    assert twin.matmul is backend.matmul
    assert len(pickle.dumps(backend)) < 100  # the name, no functions


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nmpy", "unknown backend 'nmpy': expected one of .*'numpy', 'numba', 'cupy'.*'numpy'?"),
        ("Numba", "did you mean 'numba'?"),
        ("tensorflow", "expected one of 'numpy', 'numba', 'cupy'$"),
        (None, "unknown backend None"),
        (["numpy"], "unknown backend"),
        ("auto", "'auto' stands for one of them where work is given"),
    ],
)
def test_an_unknown_name_is_told_the_known_ones(name: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        get_backend(name)


def test_unavailable_says_why_and_pickles() -> None:
    error = BackendUnavailable("cupy", "no driver", "Install one.")
    assert str(error) == "backend 'cupy' cannot run here: no driver. Install one."
    assert isinstance(error, ImportError)
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is BackendUnavailable
    assert (twin.backend, twin.reason, twin.remedy) == ("cupy", "no driver", "Install one.")
    assert str(twin) == str(error)


def test_register_a_class() -> None:
    register_backend("mine", Mine)
    assert type(get_backend("mine")) is Mine
    assert [s.name for s in list_backends()] == ["numpy", "numba", "cupy", "mine"]


def test_register_by_where_it_is_found() -> None:
    register_backend("again", "accelnn.backends.numpy_backend:NumpyBackend")
    assert type(get_backend("again")) is NumpyBackend


def test_registering_again_replaces() -> None:
    register_backend("mine", NumpyBackend)
    before = get_backend("mine")
    register_backend("mine", Mine)
    assert type(get_backend("mine")) is Mine
    assert type(before) is NumpyBackend


def test_a_backend_may_build_on_another() -> None:
    class Wrapping(Mine):
        def __init__(self) -> None:
            super().__init__()
            self.inner = get_backend("numpy")

    register_backend("mine", Wrapping)
    found: list[Any] = []
    thread = Thread(target=lambda: found.append(get_backend("mine")), daemon=True)
    thread.start()
    thread.join(10)
    assert found, "a deadlock"
    assert found[0].inner is get_backend("numpy")


def test_auto_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match="a backend cannot be called 'auto'"):
        register_backend("auto", Mine)


@pytest.mark.parametrize("target", [5, "no_colon", "module:", ":Class", int, Mine.__init__])
def test_what_is_no_backend_is_refused(target: Any, registry: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expected a subclass of Backend or 'module:Class'"):
        register_backend("mine", target)
    assert "mine" not in registry


@pytest.fixture
def torch_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a backend whose module imports a library that is not installed."""
    source = "import no_such_library.linalg\n\nclass Mine: pass\n"
    (tmp_path / "backend_without_library.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    register_backend("mine", "backend_without_library:Mine")


@pytest.mark.usefixtures("torch_like")
def test_a_missing_library_is_named_with_its_pip_line() -> None:
    with pytest.raises(BackendUnavailable) as caught:
        get_backend("mine")
    assert caught.value.backend == "mine"
    assert caught.value.reason == "no_such_library is not installed"
    assert caught.value.remedy == "Run: pip install no_such_library"


@pytest.mark.usefixtures("torch_like")
def test_a_missing_library_spoils_no_list() -> None:
    status = list_backends()[-1]
    assert status == Status(
        "mine",
        usable=False,
        reason="no_such_library is not installed",
        remedy="Run: pip install no_such_library",
    )


def test_a_library_missing_in_the_constructor() -> None:
    class Late(Mine):
        def __init__(self) -> None:
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

    register_backend("mine", Late)
    with pytest.raises(
        BackendUnavailable, match=r"torch is not installed\. Run: pip install torch"
    ):
        get_backend("mine")
    register_backend("mine", Mine)  # nothing of the failure was kept
    assert type(get_backend("mine")) is Mine


def test_a_library_that_does_not_fit() -> None:
    class Unfit(Mine):
        def __init__(self) -> None:
            raise ImportError("Numba needs NumPy 2.3 or less. Got NumPy 2.4.")

    register_backend("mine", Unfit)
    with pytest.raises(BackendUnavailable, match=r"cannot be imported: Numba needs.*pip check"):
        get_backend("mine")


def test_numba_missing() -> None:
    code = """
import json, sys
sys.modules["numba"] = None  # makes every import of it fail
import accelnn
try:
    accelnn.get_backend("numba")
except accelnn.BackendUnavailable as error:
    print(json.dumps([error.reason, error.remedy]))
"""
    assert printed(code) == ["numba is not installed", "Run: pip install numba"]


def test_numba_missing_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(numba_backend, "version", missing)
    status = list_backends()[1]
    assert (status.name, status.usable, status.version) == ("numba", False, "")
    assert (status.reason, status.remedy) == ("numba is not installed", "Run: pip install numba")


def test_numba_is_listed_without_an_import() -> None:
    code = """
import json, sys
import accelnn
numba = accelnn.list_backends()[1]
print(json.dumps([numba.name, numba.usable, numba.version, "numba" in sys.modules]))
"""
    assert printed(code) == ["numba", True, version("numba"), False]


def test_cupy_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_probe, "_is_installed", lambda: False)
    accelnn.backends._instances.pop("cupy", None)
    with pytest.raises(BackendUnavailable) as caught:
        get_backend("cupy")
    assert caught.value.backend == "cupy"
    assert caught.value.reason == "CuPy is not installed"
    assert "pip install 'accelnn[cuda12]'" in caught.value.remedy
    assert "accelnn[cuda13]" in caught.value.remedy
    with (
        pytest.raises(BackendUnavailable, match="CuPy is not installed"),
        accelnn.use_backend("cupy"),
    ):
        raise AssertionError("never inside")
    status = next(s for s in list_backends() if s.name == "cupy")
    assert (status.usable, status.reason) == (False, caught.value.reason)


def test_the_list_is_complete() -> None:
    found = {status.name: status for status in list_backends()}
    assert list(found) == ["numpy", "numba", "cupy"]
    for status in found.values():
        assert status.usable != bool(status.reason)
        assert status.usable != bool(status.remedy)
        if status.usable:
            assert status.library
            assert status.version
            assert status.device
            assert status.blas
    for name in ("numpy", "numba"):
        status = found[name]
        assert status.usable
        assert status.library == name
        assert status.version == version(name)
        assert status.threads >= 1
    assert found["numpy"].device == found["numba"].device
    names = [field.name for field in fields(Status)]
    assert sorted(names) == sorted(
        ["name", "usable", "library", "version", "device", "threads", "blas", "reason", "remedy"]
    )


@pytest.mark.parametrize(("given", "expected"), [("3", 3), ("1", 1)])
def test_threads_are_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: int
) -> None:
    for variable in ("MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", given)
    assert list_backends()[0].threads == expected
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "many")  # nonsense counts as nothing
    assert list_backends()[0].threads >= 1
