"""An epoch's products beside the same products alone, and what they predict."""

from typing import Any

import numpy as np
import pytest

from accelnn.backends import get_backend
from accelnn.bench import mnist_profile
from accelnn.bench.mnist_epochs import Epochs, Fit
from accelnn.bench.mnist_profile import alone, beside, predicted, products, profiled, rest
from accelnn.bench.peer_products import Product
from accelnn.bench.settings import Settings
from accelnn.profiling import Row

NETWORK = (7, 6, 5)


def row(kernel: str, layer: str, seconds: float) -> Row:
    return Row(kernel, layer, "numpy", 3, seconds, 0, 0, "float32")


def test_the_products_of_a_step() -> None:
    assert products(7, NETWORK, 4) == [
        Product("Linear 1, forward", 4, 7, 6),
        Product("Linear 1, weights", 7, 4, 6, ta=True),
        Product("Linear 2, forward", 4, 6, 5),
        Product("Linear 2, weights", 6, 4, 5, ta=True),
        Product("Linear 2, input", 4, 5, 6, tb=True),
    ]


def test_they_have_the_multiplications_of_the_notes() -> None:
    step = products(784, (784, 512, 512, 10), 128)
    assert len(step) == 8
    assert sum(p.n * p.k * p.m for p in step) == 128 * (668_672 + 935_936)


def test_an_epoch_is_predicted_from_its_products_alone() -> None:
    assert predicted(469, {"a": 1e-3, "b": 2e-3}) == pytest.approx(469 * 3e-3)


def test_speeds_inside_and_alone() -> None:
    listed = [Product("Linear 1, forward", 10, 50, 20)]
    rows = [row("matmul", "Linear 1, forward", 0.5), row("relu", "Linear 1, forward", 9.0)]
    (found,) = beside(listed, rows, 1000, {"Linear 1, forward": 0.25e-3})
    assert listed[0].work == 10 * 20 * 99
    assert found["gflops_inside"] == pytest.approx(1000 * 19_800 / 0.5 / 1e9)
    assert found["gflops_alone"] == pytest.approx(19_800 / 0.25e-3 / 1e9)
    expected = {"name": "Linear 1, forward", "letters": "NN", "calls": 1000, "seconds": 0.5}
    assert expected.items() <= found.items()


def test_the_rest_is_by_kernel_over_all_layers() -> None:
    class Found:
        rest = 0.25
        rows = (
            row("matmul", "Linear 1, forward", 5.0),
            row("relu", "Linear 1", 1.0),
            row("adam", "", 4.0),
            row("relu", "Linear 2", 2.0),
        )

    found: Any = Found()
    assert list(rest(found).items()) == [("adam", 4.0), ("relu", 3.0), ("no kernel", 0.25)]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_profile_has_all_products_of_a_step(backend: str) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.random((24, 7), np.float32), rng.integers(0, 5, 24)
    epoch = Epochs(Fit(backend, "adam", 8), Settings(network=NETWORK), X, y)
    epoch()
    found = profiled(epoch)
    epoch.close()
    listed = products(7, NETWORK, 8)
    inside = {r.layer: r for r in found.rows if r.kernel == "matmul"}
    assert inside.keys() == {p.group for p in listed}
    for p in listed:
        assert inside[p.group].flops == pytest.approx(3 * p.work, rel=1e-6)
    made = beside(listed, found.rows, 3, dict.fromkeys(inside, 1e-6))
    assert all(each["gflops_inside"] > 0 for each in made)
    assert "adam" in rest(found)
    assert "matmul" not in rest(found)


@pytest.mark.parametrize("letters", ["NN", "TN", "NT"])
def test_a_product_alone_is_checked(letters: str, monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product("odd", 3, 4, 5, ta=letters == "TN", tb=letters == "NT")
    found = alone("numpy", [product], 0.0)
    assert list(found) == ["odd"]
    assert found["odd"] > 0

    def wrong(name: str, kernel: Any) -> Any:
        if name != "matmul":
            return kernel
        return lambda *given, out, **how: np.multiply(kernel(*given, out=out, **how), 1.01, out=out)

    broken = get_backend("numpy").intercept(wrong)
    monkeypatch.setattr(mnist_profile, "get_backend", lambda _name: broken)
    with pytest.raises(AssertionError):
        alone("numpy", [product], 0.0)
