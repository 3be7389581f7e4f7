"""What the options of the bench mean, and that nonsense is refused with what was expected."""

import pytest

import accelnn
from accelnn.bench.settings import Settings, read_batches, read_network, read_shapes


def test_shapes_network_and_batches() -> None:
    assert read_shapes("64x64x64, 128X784×512") == ((64, 64, 64), (128, 784, 512))
    assert read_network("784-512-10") == (784, 512, 10)
    assert read_batches("32,128") == (32, 128)


@pytest.mark.parametrize("text", ["64x64", "64x64x64x64", "", "ax1x1", "0x1x1", "-1x1x1", "1.x1x1"])
def test_shapes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*, got") as caught:
        read_shapes(text)
    assert repr(text) in str(caught.value)


def test_networks_and_batches_that_are_none() -> None:
    for text in ("784", "784-", "784-x-10", "784--10"):
        with pytest.raises(ValueError, match="got '784"):
            read_network(text)
    for text in ("0", "12;13", ""):
        with pytest.raises(ValueError, match="whole numbers of at least 1"):
            read_batches(text)


def test_what_the_scale_picks() -> None:
    picked = [Settings(scale=scale).pick(3, 2, 1) for scale in ("full", "quick", "smoke")]
    assert picked == [3, 2, 1]


def test_one_batch_where_one_is_measured() -> None:
    assert Settings().batch == 128
    assert Settings(batches=(32, 64)).batch == 32


def test_backends_of_the_cpu() -> None:
    assert Settings(backends=("numpy", "cupy", "cupy:1", "numba")).cpu() == ("numpy", "numba")


def test_what_is_recorded_makes_a_run_comparable() -> None:
    recorded = Settings(scale="quick", shapes=((1, 2, 3),)).recorded()
    assert recorded["version"] == accelnn.__version__
    assert recorded["scale"] == "quick"
    assert recorded["shapes"] == ((1, 2, 3),)
    assert set(recorded) == {"scale", "backends", "shapes", "network", "batches", "version"}
