"""Dropout draws the same mask in every folder, from a generator with known answers."""

from typing import Any

import numpy as np
import pytest

from accelnn.kernels import load
from accelnn.kernels.on_numpy.dropout import _words
from accelnn.kernels.reference.dropout import philox
from tests.kernels import loops
from tests.kernels.conftest import Folder
from tests.tolerances import assert_close, host

REFERENCE = load("reference")["dropout"]

#: Counter, key, words: philox4x32-10 in kat_vectors of Random123 (Salmon et al. 2011).
KNOWN_ANSWERS = {
    "zeros": ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    "ones": ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    "pi": (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
}
LARGE = [(0, 0), (2**40 + 7, 3), (5, 2**40 + 7), (2**63, 2**63), (2**64 - 1, 2**64 - 1)]


@pytest.fixture(params=KNOWN_ANSWERS)
def known(request: Any) -> list[tuple[int, ...]]:
    """Return counter, key and expected words as integers."""
    return [tuple(int(w, 16) for w in part.split()) for part in KNOWN_ANSWERS[request.param]]


def test_known_answers_of_the_loops(known: list[Any]) -> None:
    counter, key, words = known
    assert loops.philox(counter, key) == words


def test_known_answers_of_the_reference(known: list[Any]) -> None:
    counter, key, words = known
    drawn = philox(tuple(np.array([c], np.int64) for c in counter), key)  # type: ignore[arg-type]
    assert tuple(int(w[0]) for w in drawn) == words


def test_known_answers_of_numba(known: list[Any]) -> None:
    from accelnn.kernels.on_numba._jit import run
    from accelnn.kernels.on_numba.dropout import philox_loop

    counter, key, words = known
    assert run(philox_loop, *(np.uint64(w) for w in (*counter, *key))) == words


def test_known_answers_of_numpy() -> None:
    """Its counter starts anywhere, its call and seed are 64-bit numbers of two words each."""
    counter, key, words = ([int(w, 16) for w in part.split()] for part in (KNOWN_ANSWERS["pi"]))
    first, call = counter[0] + 2**32 * counter[1], counter[2] + 2**32 * counter[3]
    assert _words(first, 1, key[0] + 2**32 * key[1], call)[0].tolist() == words
    assert _words(0, 1, 0, 0)[0].tolist() == [int(w, 16) for w in KNOWN_ANSWERS["zeros"][2].split()]


def _mask(kernel: Any, shape: tuple[int, ...], **how: Any) -> Any:
    return kernel(np.ones(shape), **how) != 0


@pytest.mark.parametrize(("seed", "call"), LARGE, ids=str)
@pytest.mark.parametrize("shape", [(3, 7), (300, 301)], ids=str)
def test_same_mask_in_every_folder(
    folder: Folder, shape: tuple[int, int], seed: int, call: int
) -> None:
    how = {"p": 0.4, "seed": seed, "call": call}
    ones = folder.xp.ones(shape, "float32")
    assert_close(folder["dropout"](ones, **how), REFERENCE(np.ones(shape, "float32"), **how))


@pytest.mark.parametrize(("seed", "call"), LARGE, ids=str)
def test_mask_is_the_one_of_the_loops(seed: int, call: int) -> None:
    how: dict[str, Any] = {"p": 0.4, "seed": seed, "call": call}
    assert_close(REFERENCE(np.ones((6, 7)), **how), loops.dropout(np.ones((6, 7)), **how))


def test_seeds_and_calls_that_share_a_word_draw_different_masks() -> None:
    pairs = [(1, 0), (1 + 2**32, 0), (0, 1), (0, 1 + 2**32), (2**32, 0), (0, 2**32), (0, 0)]
    masks = {_mask(REFERENCE, (16, 16), p=0.5, seed=s, call=c).tobytes() for s, c in pairs}
    assert len(masks) == len(pairs)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_all_or_nothing(folder: Folder, p: float, rng: Any) -> None:
    x = rng.normal(size=(5, 9))
    out = host(folder["dropout"](folder.xp.asarray(x), p=p, seed=3, call=4))
    assert_close(out, x if p == 0 else np.zeros_like(x))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_kept_fraction_and_mean(cpu_folder: Folder, p: float) -> None:
    n = 200_000
    out = cpu_folder["dropout"](np.ones((n // 100, 100)), p=p, seed=11, call=0)
    kept = np.count_nonzero(out)
    assert abs(kept - n * (1 - p)) < 5 * (n * p * (1 - p)) ** 0.5  # five standard deviations
    assert_close(np.unique(out), np.array([0.0, 1 / (1 - p)]))


def test_calls_are_independent(cpu_folder: Folder) -> None:
    n = 100_000
    masks = [_mask(cpu_folder["dropout"], (n,), p=0.5, seed=1, call=c) for c in range(3)]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        both = np.count_nonzero(masks[a] & masks[b])
        assert abs(both - n / 4) < 5 * (n * 3 / 16) ** 0.5


def test_neighbours_are_independent(cpu_folder: Folder) -> None:
    n = 100_000
    mask = _mask(cpu_folder["dropout"], (n,), p=0.5, seed=1, call=0)
    for distance in (1, 2, 3, 4):
        both = np.count_nonzero(mask[distance:] & mask[:-distance])
        assert abs(both - n / 4) < 5 * (n * 3 / 16) ** 0.5


def test_linear_and_its_own_transpose(cpu_folder: Folder, rng: Any) -> None:
    """Therefore the same call, applied to the gradient, is the backward pass."""

    def drop(x: Any) -> Any:
        return cpu_folder["dropout"](x, p=0.3, seed=8, call=2)

    x, y = rng.normal(size=(2, 40, 30))
    assert_close(drop(2 * x - 3 * y), 2 * drop(x) - 3 * drop(y))
    assert_close(np.sum(drop(x) * y), np.sum(x * drop(y)), length=x.size)
    assert 0 < np.count_nonzero(drop(x)) < x.size


def test_position_counts_in_c_order(cpu_folder: Folder, rng: Any) -> None:
    """The mask belongs to positions, not to memory: neither layout nor shape moves it."""
    x = rng.normal(size=(12, 10))
    how = {"p": 0.5, "seed": 21, "call": 1}
    expected = cpu_folder["dropout"](x, **how)
    assert_close(cpu_folder["dropout"](np.asfortranarray(x), **how), expected)
    assert_close(cpu_folder["dropout"](x.reshape(-1), **how).reshape(x.shape), expected)
