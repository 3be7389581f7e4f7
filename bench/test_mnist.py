"""How long does the MNIST network train on each backend, and where does the time go?

In parts: an epoch; the seconds to 97 % and 98 % of the test images; the most memory an epoch takes;
an epoch by its kernels, beside what its products alone would take; and a training step with each
rung of the ladder as its product.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from accelnn.bench import mnist_accuracy, mnist_memory, mnist_profile, mnist_rungs
from accelnn.bench.arena import Arena, timed
from accelnn.bench.contestants import flops
from accelnn.bench.measuring import settle
from accelnn.bench.mnist_epochs import PLAIN, Epochs, Fit, check
from accelnn.bench.networks import RATES, load
from accelnn.bench.playback import play_back, taken_elsewhere
from accelnn.bench.rungs import RUNGS, Rung, absent, chosen
from accelnn.bench.settings import Settings
from accelnn.datasets import Dataset

BATCHES = (32, 128, 512, 4096)
#: A rung of fewer operations per second is given a single step.
SLOW = 1e8


@pytest.fixture(scope="session")
def data() -> tuple[Dataset, Any, Any]:
    """Return (data set, X float32, y)."""
    return load()


@pytest.fixture(scope="session")
def unseen(data: tuple[Dataset, Any, Any]) -> tuple[Any, Any]:
    """Return X float32 and y of the test."""
    return data[0].features()[1], data[0].y_test


def fits(settings: Settings, trainers: tuple[str, ...]) -> list[Fit]:
    """Return everybody with both optimizers, at the one size of minibatches."""
    return [Fit(who, optimizer, settings.batch) for optimizer in RATES for who in trainers]


def only_full(fit: Fit, settings: Settings, left_out: bool) -> Any:
    """Return a case that a quick or smoke run leaves out where ``left_out``, and says so."""
    why = f"a {settings.scale} run leaves it out; a full one has it"
    return pytest.param(fit, marks=[pytest.mark.skipif(left_out, reason=why)])


def cases_epoch(settings: Settings) -> list[Fit]:
    """Everybody; in a quick run SGD alone at the larger size."""
    batches = settings.batches or settings.pick(BATCHES, (128, 4096), (64,))
    return [
        Fit(who, optimizer, batch)
        for batch in batches
        for optimizer in RATES
        for who in (PLAIN, *settings.backends)
        if settings.scale == "full" or optimizer == "sgd" or batch == batches[0]
    ]


@taken_elsewhere
def test_epoch(benchmark: Any, settings: Settings, data: Any, case: Fit) -> None:
    name, X, y = data[0].name, *first(data, settings.pick(None, 5120, 256))
    check(case, settings, X, y)
    epoch = Epochs(case, settings, X, y)
    benchmark.group = f"epoch, {case.optimizer}, batch {case.batch}"
    benchmark.extra_info.update(
        **case.info(len(X), name),
        compile_seconds=epoch.compile_seconds,
        flops=flops(len(X), X.shape[1], settings.network),
    )
    play_back(benchmark, sampled(epoch, settings))
    epoch.close()


def cases_accuracy(settings: Settings) -> list[Any]:
    """All backends; in a quick run Adam on the fast ones."""
    fast = tuple(name for name in settings.backends if name != "numpy") or settings.backends
    small = settings.scale != "full"
    return [
        only_full(fit, settings, small and (fit.trainer not in fast or fit.optimizer != "adam"))
        for fit in fits(settings, settings.backends)
    ]


@taken_elsewhere
def test_accuracy(benchmark: Any, settings: Settings, data: Any, unseen: Any, case: Fit) -> None:
    rows = settings.pick(None, None, 256)
    (X, y), tested = first(data, rows), [each[:rows] for each in unseen]
    check(case, settings, X, y)
    pause(settings)
    most = settings.pick(12, 2, 1)
    history = mnist_accuracy.learn(case, settings.network, (X, y, *tested), most)
    points = mnist_accuracy.curve(history)
    benchmark.group = f"epoch of a training, {case.optimizer}"
    benchmark.extra_info.update(
        **case.info(len(X), data[0].name),
        rate=mnist_accuracy.RATES[case.optimizer],
        compile_seconds=history.epochs[0].compile_seconds,
        curve=points,
        loss=history["loss"],
        to_97=mnist_accuracy.seconds_to(0.97, points),
        to_98=mnist_accuracy.seconds_to(0.98, points),
    )
    play_back(benchmark, history["seconds"])


def cases_memory(settings: Settings) -> list[Any]:
    """All backends; in a quick run Adam, which keeps more."""
    small = settings.scale != "full"
    return [
        only_full(fit, settings, small and fit.optimizer != "adam")
        for fit in fits(settings, settings.backends)
    ]


@taken_elsewhere
def test_memory(benchmark: Any, settings: Settings, data: Any, case: Fit) -> None:
    on_host = case.trainer.partition(":")[0] != "cupy"
    if on_host and (why := mnist_memory.no_peak()):
        pytest.skip(why)
    rows = settings.pick(None, 5000, 256)
    X, y = first(data, rows)
    check(case, settings, X, y)
    entry = (mnist_memory.observer, (case.trainer, rows))
    with Arena({"it": entry}, pause=0.0) as arena:
        found = arena.ask("it", (case.optimizer, settings.network, case.batch))
    assert found["peak_bytes"] > 0.9 * found["floor_bytes"]
    benchmark.group = f"memory of an epoch, {case.optimizer}"
    benchmark.extra_info.update(
        **case.info(len(X), data[0].name),
        peak_bytes=found["peak_bytes"],
        floor_bytes=found["floor_bytes"],
    )
    play_back(benchmark, [found["seconds"]])


def cases_profile(settings: Settings) -> list[Any]:
    """All backends; in a quick run Adam."""
    return cases_memory(settings)


@taken_elsewhere
def test_profile(
    benchmark: Any, settings: Settings, data: Any, ceilings: Callable[[str], Any], case: Fit
) -> None:
    X, y = first(data, settings.pick(None, 6400, 2 * settings.batch))
    whole = max(len(X) // case.batch, 1) * case.batch  # so that all its products are of one height
    X, y = X[:whole], y[:whole]
    check(case, settings, X, y)
    epoch = Epochs(case, settings, X, y)
    seconds = sampled(epoch, settings)
    profile = mnist_profile.profiled(epoch)
    epoch.close()
    height, calls = min(case.batch, len(X)), -(-len(X) // case.batch)
    listed = mnist_profile.products(X.shape[1], settings.network, height)
    least = settings.pick(0.02, 0.004, 0.0)
    alone = mnist_profile.alone(case.trainer, listed, least)
    ceilings(case.trainer)
    benchmark.group = f"epoch, {case.optimizer}"
    benchmark.extra_info.update(
        **case.info(len(X), data[0].name),
        kernels=mnist_profile.kernels(profile),
        products=mnist_profile.beside(listed, profile.rows, calls, alone),
        predicted_seconds=mnist_profile.predicted(calls, alone),
        measured_seconds=median(seconds),
        profiled_seconds=profile.seconds,
        rest=mnist_profile.rest(profile),
    )
    play_back(benchmark, seconds)


def cases_rungs(settings: Settings) -> list[Any]:
    """All rungs that can be plugged in, and why others are not."""
    plugged = [r for r in chosen(settings) if r.name in RUNGS or r.backend is not None]
    apart = {
        r.name: "it has arrays of its own, and a step would copy each operand there and back"
        for r in chosen(settings)
        if r not in plugged
    }
    left_out = [
        pytest.param(None, marks=pytest.mark.skip(reason=why), id=name)
        for name, why in {**apart, **absent()}.items()
    ]
    return [pytest.param(rung, id=rung.name) for rung in plugged] + left_out


@taken_elsewhere
def test_rungs(benchmark: Any, settings: Settings, data: Any, case: Rung) -> None:
    batch, n_in = settings.pick(32, 4, 1), data[1].shape[1]
    widths = settings.pick(settings.network, settings.network, (n_in, 16, settings.network[-1]))
    slow = case.speed is not None and case.speed < SLOW
    unkept = settings.pick(1, 1, 0)  # threads start, code is compiled, memory is touched
    X, y = first(data, batch * (unkept + (1 if slow else settings.pick(20, 5, 1))))
    pause(settings)
    steps = mnist_rungs.train(case, X, y, widths, batch, slow and unkept > 0)
    seconds, products = steps.seconds[unkept:], steps.products[unkept:]
    benchmark.group = f"training step, batch {batch}"
    benchmark.extra_info.update(
        who=case.name,
        rung=case.name,
        backend=case.backend,
        optimizer=mnist_rungs.OPTIMIZER,
        batch=batch,
        batches=len(seconds),
        product_seconds=median(products),
        step_seconds=median(seconds),
        distance=steps.distance,
        data=data[0].name,
        flops=sum(p.work for p in mnist_profile.products(n_in, widths, batch)),
    )
    play_back(benchmark, seconds)


def first(data: Any, rows: int | None) -> tuple[Any, Any]:
    """Return X and y of the first rows, all for None."""
    return data[1][:rows], data[2][:rows]


def sampled(epoch: Epochs, settings: Settings) -> list[float]:
    """Return the seconds of some epochs, one after the other."""
    pause(settings)
    epoch.warm_up()
    return [timed(epoch, 1) for _ in range(settings.pick(5, 3, 1))]


def pause(settings: Settings) -> None:
    """Let the threads of the case before fall asleep."""
    if settings.scale != "smoke":
        settle()
