"""The main job: the MNIST network 784-512-512-10 on one backend after the other."""

from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from accelnn import nn, optim
from accelnn.backends import Status, get_backend, list_backends
from accelnn.checking import check_precision
from accelnn.datasets import Dataset, load_default
from accelnn.errors import BackendUnavailable
from accelnn.history import Callback, Epoch, History
from accelnn.seeding import manual_seed
from accelnn.training import train

_RATES = {"sgd": 0.1, "adam": 0.001}


@dataclass(frozen=True)
class Job:
    """What is to be trained; ``lr`` None is the optimizer's usual rate."""

    epochs: int
    optimizer: str
    lr: float | None
    batch_size: int
    seed: int
    precision: str = "float32"

    @property
    def rate(self) -> float:
        """The learning rate."""
        return self.lr or _RATES[self.optimizer]


def choose(names: tuple[str, ...], precision: str = "float32") -> list[Status]:
    """Return the status of the backends named, of all without a name.

    A backend without the precision is a ValueError if it was named, else unusable for this job.
    So is an unknown name.
    """
    found = {status.name: status for status in list_backends()}
    for name in names:
        if name not in found:
            get_backend(name)  # raises with the names there are
    chosen = []
    for name in dict.fromkeys(names or found):
        status = found.get(name) or replace(found[name.partition(":")[0]], name=name)
        if status.usable and precision != "float32":  # which all offer
            try:
                check_precision(precision, "float32", get_backend(name))
            except BackendUnavailable:
                pass  # ``run`` will say so in its place
            except ValueError as error:
                if names:
                    raise
                remedy = "Leave --precision out to train on it"
                status = replace(status, usable=False, reason=str(error), remedy=remedy)
        chosen.append(status)
    return chosen


def load(folder: str | None) -> Dataset:
    """Return MNIST, or the stand-in with its note."""
    return load_default(folder)


def run(job: Job, data: Dataset, backends: list[Status], console: Console) -> list[dict[str, Any]]:
    """Train on each backend; a backend that cannot run gives its reason."""
    results = []
    X, X_test = (x.reshape(len(x), -1) for x in (data.X_train, data.X_test))
    for status in backends:
        reason = f"{status.reason}. {status.remedy}"
        if status.usable:
            arrays = (X, data.y_train, X_test, data.y_test)
            try:
                history = _train(job, arrays, 1 / data.pixel_max, status.name, console)
                results.append(_result(status, data, history))
                continue
            except BackendUnavailable as error:  # found out only when it starts
                reason = f"{error.reason}. {error.remedy}"
        results.append({"backend": status.name, "reason": reason})
    return results


def _train(
    job: Job, arrays: tuple[Any, ...], scale: float, backend: str, console: Console
) -> History:
    X, y, X_test, y_test = arrays
    manual_seed(job.seed)
    model = nn.Sequential(
        nn.Linear(X.shape[1], 512),
        nn.ReLU(),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    )
    rule: optim.Optimizer
    if job.optimizer == "sgd":
        rule = optim.SGD(model.parameters(), lr=job.rate)
    else:
        rule = optim.Adam(model.parameters(), lr=job.rate)
    with _Bar(backend, console) as bar:
        return train(
            model,
            nn.CrossEntropyLoss(),
            rule,
            X,
            y,
            epochs=job.epochs,
            batch_size=job.batch_size,
            X_val=X_test,
            y_val=y_test,
            backend=backend,
            callbacks=[bar],
            seed=job.seed,
            input_scale=scale,
            precision=job.precision,
        )


def _result(status: Status, data: Dataset, history: History) -> dict[str, Any]:
    seconds = median(history["seconds"])
    accuracies = history["val_accuracy"]
    return {
        "backend": status.name,
        "device": status.device,
        "data": data.name,
        "seconds_per_epoch": seconds,
        "samples_per_second": len(data.y_train) / seconds,
        "test_accuracy": accuracies[-1],
        "best_test_accuracy": max(accuracies),
    }


def table(results: list[dict[str, Any]], job: Job, data: Dataset) -> Table:
    """Return the results as a table."""
    n_in = data.X_train[0].size
    made = Table(
        title=f"{data.name}: {n_in}-512-512-10, {job.optimizer} {job.rate:g}, "
        f"batch {job.batch_size}, {job.epochs} epochs, {job.precision}",
    )
    for name in ("backend", "device", "s / epoch", "samples / s", "test accuracy"):
        made.add_column(name, justify="left" if name in ("backend", "device") else "right")
    for r in results:
        if "reason" in r:
            made.add_row(r["backend"], "cannot run: see below", "", "", "")
        else:
            made.add_row(
                r["backend"],
                r["device"],
                f"{r['seconds_per_epoch']:.3f}",
                f"{r['samples_per_second']:,.0f}",
                f"{r['test_accuracy']:.4f}",
            )
    return made


def remarks(results: list[dict[str, Any]], data: Dataset) -> list[str]:
    """Return what stands below the table: why a backend did not run, and what the data are."""
    missing = [f"{r['backend']}: {r['reason']}" for r in results if "reason" in r]
    return [*missing, data.note] if data.note else missing


class _Bar(Callback):
    """A progress bar over all epochs of one backend."""

    def __init__(self, backend: str, console: Console) -> None:
        self.backend = backend
        self.bar = Progress(
            TextColumn("{task.description:<7}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
        )

    def __enter__(self) -> "_Bar":
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def on_train_begin(self, history: History, n_rows: int, epochs: int) -> None:
        """Lay out the bar."""
        self.n_rows = n_rows
        self.task = self.bar.add_task(self.backend, total=n_rows * epochs, state="")

    def on_compile(self, backend: str) -> None:
        """Say why nothing moves."""
        self.bar.update(self.task, state="compiling, once for this machine ...")

    def on_progress(self, epoch: int, rows_done: int) -> None:
        """Move on."""
        done = (epoch - 1) * self.n_rows + rows_done
        self.bar.update(self.task, completed=done, state="")

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Show the epoch's figures."""
        accuracy = f"epoch {epoch.epoch}: test accuracy {epoch.val_accuracy:.4f}"
        self.bar.update(self.task, state=accuracy)
