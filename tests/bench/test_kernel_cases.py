"""What the kernels are measured on, and the chains that are fused."""

from typing import Any

import numpy as np
import pytest

from accelnn.backends import get_backend, stepper
from accelnn.bench.chains import CHAINS, OF_KERNELS, has_programs, way
from accelnn.bench.kernel_cases import ALL, COMMON, LARGE, STREAMING, TINY, of_a_step, problem
from accelnn.bench.settings import Settings
from accelnn.bench.test_kernels import cases_fused, cases_single, same


def test_sizes_of_a_step() -> None:
    assert of_a_step(Settings()) == (128, 784, 512, 10, 669_706)
    assert of_a_step(Settings(network=(4, 3), batches=(7, 9))) == (7, 4, 3, 3, 15)
    assert of_a_step(Settings(scale="smoke")) == TINY


def test_large_is_128_mib_an_array() -> None:
    assert LARGE.rows * LARGE.width * 4 == LARGE.parameters * 4 == 2**27


def test_chosen_kernels_exist() -> None:
    assert len(ALL) == 48
    assert {*COMMON, *STREAMING} <= {*ALL}


@pytest.mark.parametrize(
    ("kernel", "elements", "flops", "nbytes"),
    [
        ("relu", 9 * 17, 9 * 17, 2 * 4 * 9 * 17),
        ("sum_rows", 9 * 17, 8 * 17, 4 * (9 * 17 + 17)),
        ("take_rows", 18 * 21, 0, 2 * 4 * 9 * 21),
        ("adam", 1001, 15 * 1001, 7 * 4 * 1001),
        ("cross_entropy", 9 * 10, 5 * 9 * 10, 4 * (9 * 10 + 9 + 9)),
    ],
)
def test_declared_costs(kernel: str, elements: int, flops: int, nbytes: int) -> None:
    given = problem(kernel, TINY)
    assert (given.elements, given.cost.flops, given.cost.nbytes(4)) == (elements, flops, nbytes)


def test_derivatives_are_given_outputs() -> None:
    output, z = problem("sigmoid_backward", TINY).arrays[1], problem("sigmoid_backward_z", TINY)
    assert 0 < output.min() < output.max() < 1
    assert z.arrays[1].min() < 0
    np.testing.assert_allclose(output, 1 / (1 + np.exp(-z.arrays[1])), rtol=1e-5)


def test_cases_are_told_apart() -> None:
    for scale in ("smoke", "quick", "full"):
        settings = Settings(scale=scale)
        for cases in (cases_single(settings), cases_fused(settings)):
            names = [str(case) for case in cases]
            assert len({*names}) == len(names)


def test_chains_of_programs_only_where_programs_are_fused() -> None:
    assert not has_programs(get_backend("numpy"))
    assert has_programs(get_backend("numba"))
    by_backend = {
        name: {case.chain for case in cases_fused(Settings(backends=(name,)))}
        for name in ("numpy", "numba")
    }
    assert by_backend == {"numpy": {*OF_KERNELS}, "numba": {*CHAINS}}


def test_one_after_the_other_is_not_the_compiled_program() -> None:
    numba = get_backend("numba")
    assert way(numba, True) is numba
    changed: Any = way(numba, False)
    assert changed.run_steps.__func__ is stepper.run_steps
    assert changed.run_forward.__func__ is stepper.run_forward


def test_results_that_differ_are_seen() -> None:
    right: Any = np.array([100.0, 1e-3], np.float32)
    same(right + np.float32(5e-4), right)
    for wrong in (right * np.float32(1.001), right + np.array([0, 2e-3], np.float32)):
        with pytest.raises(AssertionError):
            same(wrong, right)


@pytest.mark.parametrize("chain", CHAINS)
def test_both_ways_give_the_same_more_than_once(chain: str) -> None:
    numba = get_backend("numba")
    fused, not_fused = (CHAINS[chain](numba, TINY, ways) for ways in (True, False))
    for _ in range(3):
        results: Any = zip(fused(), not_fused(), strict=True)
        for one, other in results:
            assert np.abs(one).max() > 0
            same(np.asarray(one), np.asarray(other))
