"""The replay with a clock: the same operations, each with its name, cost and time."""

import ctypes
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

timed = pytest.importorskip("accelnn.kernels.on_numba.timed")

from accelnn import nn, optim  # noqa: E402
from accelnn.backends import get_backend  # noqa: E402
from accelnn.kernels.on_numba import program as engine  # noqa: E402
from accelnn.kernels.on_numba._jit import c_function  # noqa: E402
from accelnn.kernels.on_numba.notes import Note  # noqa: E402
from accelnn.kernels.on_numba.pointers import INT64, typed, types  # noqa: E402
from accelnn.kernels.on_numba.tape import WORDS  # noqa: E402
from accelnn.program import Program, lower  # noqa: E402

ROWS, BATCH = 20, 8


def made() -> Program:
    """Return the program of a 40-64-3 stack on two full minibatches and one of four rows."""
    rng = np.random.default_rng(3)
    backend, layers = get_backend("numba"), []
    for n_in, n_out in ((40, 64), (64, 3)):
        w = rng.normal(0, 0.2, (n_in, n_out)).astype(np.float32)
        layers += [nn.Linear.from_storage(w, np.zeros(n_out, np.float32), backend), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    rule = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    program = lower(model, nn.CrossEntropyLoss(), rule, backend, BATCH)
    program.bind(rng.random((ROWS, 40), np.float32), rng.integers(0, 3, ROWS))
    return program


def run(program: Program) -> list[Any]:
    """Train three steps under the clock and return what is reported."""
    spent: list[Any] = []
    program.plan.views.setdefault("notes", {})
    scalars = np.tile([0.1, 1.0, 0.0, 1.0], (3, 1))
    timed.run_steps(program.plan, 0, 3, scalars, spent.extend)
    return spent


def counted(spent: list[Any]) -> Counter[tuple[str, str]]:
    """Add up the operations per kernel and layer."""
    total: Counter[tuple[str, str]] = Counter()
    for note, calls, _ in spent:
        total[note.kernel, note.layer] += calls * note.flops
    return total


@pytest.fixture(params=[1, 2, 3])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(engine, "threads_for", lambda _flops: request.param)
    return int(request.param)


@pytest.mark.usefixtures("parts")
def test_each_row_of_the_data_is_counted_once() -> None:
    total = counted(run(made()))
    assert total["add_bias + tanh", "Linear 1"] == ROWS * 64 * 2
    assert total["tanh_backward", "Linear 1"] == ROWS * 64 * 3
    assert total["add_bias", "Linear 2"] == ROWS * 3
    assert total["sum_rows", "Linear 1"] == 64 * (7 + 7 + 3)
    assert total["matmul", "Linear 1, forward"] == ROWS * 64 * 79
    assert total["matmul", "Linear 2, input"] == ROWS * 64 * 5
    assert total["matmul", "Linear 2, weights"] == 64 * 3 * (15 + 15 + 7)
    assert total["momentum", "Linear 1"] == 3 * 7 * (40 * 64 + 64)
    assert total["cross_entropy + backward", ""] == ROWS * 3 * 5 + ROWS * 3 * 7


@pytest.mark.usefixtures("parts")
def test_the_bytes_of_blocks_are_those_of_the_whole() -> None:
    total: Counter[str] = Counter()
    for note, calls, _ in run(made()):
        if note.kernel in ("matmul", "gather", "momentum"):
            total[f"{note.kernel} {note.layer}".strip()] += calls * note.nbytes
    assert total["matmul Linear 1, weights"] == pytest.approx(
        sum(4 * (40 * r + r * 64 + 40 * 64) for r in (8, 8, 4))
    )
    assert total["gather"] == ROWS * (2 * 4 * 40 + 2 * 8)
    assert total["momentum Linear 2"] == 3 * 5 * 4 * (64 * 3 + 3)


@pytest.mark.parametrize("wanted", [2, 3])
def test_one_that_is_left_alone_reports_for_itself(
    wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = counted(run(made()))
    real = timed.run_job
    monkeypatch.setattr(engine, "threads_for", lambda _flops: wanted)
    monkeypatch.setattr(timed, "run_job", lambda job, words, room, _: real(job, words, room, 1))
    spent = run(made())
    assert counted(spent) == expected
    assert sum(each.seconds for each in spent) > 0
    assert not any(each.note.kernel == "wait" for each in spent)


@pytest.mark.usefixtures("parts")
def test_the_times_of_a_job_are_its_own() -> None:
    program = made()
    run(program)  # recorded
    for _ in range(3):
        start = time.perf_counter()
        spent = run(program)
        assert sum(each.seconds for each in spent) < time.perf_counter() - start
        assert all(each.seconds > 0 for each in spent)  # those of the smaller minibatch too


@pytest.mark.parametrize(("used", "expected"), [(2, [1.0, 1.5, 2.5, 3.0]), (1, [10.0, 11.0])])
def test_seconds_are_the_mean_over_the_parts(
    used: int, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    tapes = [np.zeros(2 * WORDS, np.int64) for _ in range(3)]
    one, other = Note("one", "", 3.0, 0.0), Note("other", "", 0.0, 0.0)
    job = timed.TimedJob({tape.ctypes.data: [one, other] for tape in tapes}, said.append, 2)
    for part, tape in enumerate(tapes):
        job.set(part, [(tape, 7)], {})

    def work(_address: int, words: Any, _scratch: Any, parts: int) -> int:
        assert parts == 2
        for part in range(3):
            place = int(words[engine.HEAD + part * engine.PART + 7])
            times = np.ctypeslib.as_array((ctypes.c_int64 * 2).from_address(place))
            times += np.array([[2, 3], [5, 6], [10, 11]][part]) * 10**9
        return used

    monkeypatch.setattr(timed, "run_job", work)
    for _ in range(2):  # the times of one run are not those of the next
        job.run(np.dtype(np.float32), np.zeros(1))
        assert said[-1] == [
            (note, 7, seconds) for note, seconds in zip([one, other] * 2, expected, strict=False)
        ]


@pytest.mark.usefixtures("parts")
def test_words_and_weights_are_the_same_as_without_a_clock() -> None:
    plain, watched = made(), made()
    for _ in range(2):
        run(watched)
        engine.run_steps(plain.plan, 0, 3, np.tile([0.1, 1.0, 0.0, 1.0], (3, 1)))
    np.testing.assert_array_equal(watched.plan.params, plain.plan.params)
    tapes = [
        {key: view[0] for key, view in p.plan.views.items() if key[0] == "step"}
        for p in (watched, plain)
    ]
    assert [tape.size for tape in tapes[0].values()] == [tape.size for tape in tapes[1].values()]
    notes = watched.plan.views["notes"]
    assert [len(notes[tape.ctypes.data]) for tape in tapes[0].values()] == [
        tape.size // WORDS for tape in tapes[0].values()
    ]
    assert "notes" not in plain.plan.views


def test_compiled_code_reads_pythons_clock() -> None:
    def read(words: Any) -> None:
        place = typed(words, INT64)
        place[0] = timed.now(place)

    address = c_function(types.void(types.intp))(read)
    word = np.zeros(1, np.int64)
    before = time.perf_counter_ns()
    ctypes.CFUNCTYPE(None, ctypes.c_ssize_t)(address)(word.ctypes.data)
    assert before <= word[0] <= time.perf_counter_ns()
