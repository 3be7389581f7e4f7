"""The command line: ``accelnn backends | train | warmup | bench | data``."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import accelnn
from accelnn.errors import AccelnnError
from accelnn.paths import replace_file


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(accelnn.__version__, prog_name="accelnn")
def main() -> None:
    """Dense neural networks on NumPy, Numba and CuPy."""


@main.command()
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Also write a file.")
def backends(json_file: str | None) -> None:
    """List the backends: what each runs on, or why it cannot run and what to do."""
    found = accelnn.list_backends()
    table = Table("backend", "usable", "library", "device", "threads", "BLAS")
    for s in found:
        threads = str(s.threads) if s.threads else ""
        library = f"{s.library} {s.version}" if s.usable else ""
        table.add_row(s.name, "yes" if s.usable else "no", library, s.device, threads, s.blas)
    Console().print(table)
    for s in found:
        if not s.usable:  # not in the table, which would break a command line in two
            click.echo(f"{s.name}: {s.reason}. {s.remedy}")
    if json_file:
        write_json(json_file, [vars(s) for s in found])


@main.command()
@click.option("--data", type=click.Path(file_okay=False), help="Folder with the MNIST files.")
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True)
@click.option("--optimizer", type=click.Choice(["sgd", "adam"]), default="adam", show_default=True)
@click.option("--lr", type=click.FloatRange(0, min_open=True), help="0.1 for sgd, 0.001 for adam.")
@click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True)
@click.option("--backend", "names", multiple=True, help="Repeat for several; default: all.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["float32", "tf32", "bf16"]),
    default="float32",
    show_default=True,
    help="Of the products; less than float32 on GPUs only.",
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Also write a file.")
def train(
    data: str | None,
    epochs: int,
    optimizer: str,
    lr: float | None,
    batch_size: int,
    names: tuple[str, ...],
    seed: int,
    precision: str,
    json_file: str | None,
) -> None:
    """Train the MNIST network 784-512-512-10 on every backend and compare.

    Without MNIST, and without a network to download it, it trains on the digits that ship inside
    scikit-learn, and says so.
    """
    from accelnn import mnist_job

    if json_file and not os.access(Path(json_file).absolute().parent, os.W_OK):
        raise click.ClickException(f"cannot write {json_file}: its folder is missing or read-only")
    job = mnist_job.Job(epochs, optimizer, lr, batch_size, seed, precision)
    try:
        chosen = mnist_job.choose(names, precision)
        dataset = mnist_job.load(data)
        results = mnist_job.run(job, dataset, chosen, Console(stderr=True))
    except (AccelnnError, ValueError, OSError, FloatingPointError) as error:
        raise click.ClickException(str(error)) from error
    Console().print(mnist_job.table(results, job, dataset))
    for remark in mnist_job.remarks(results, dataset):
        click.echo(remark)
    if json_file:
        write_json(json_file, results)
    if names and any("reason" in result for result in results):
        sys.exit(1)  # it was asked for by name and did not run


@main.group()
def data() -> None:
    """Prepare data for a machine without a network."""


@data.command()
@click.option("--to", required=True, type=click.Path(file_okay=False), help="Folder to fill.")
def mnist(to: str) -> None:
    """Put the four MNIST files into a folder; use it by --data or ACCELNN_DATA."""
    from accelnn.datasets import prepare_mnist

    try:
        files = prepare_mnist(to)
    except (AccelnnError, OSError) as error:
        raise click.ClickException(str(error)) from error
    for file in files:
        click.echo(file)


@main.command()
@click.option("--backend", "names", multiple=True, help="Repeat for several; default: all.")
def warmup(names: tuple[str, ...]) -> None:
    """Compile all kernels now, so that no fit waits for it: for containers and classrooms."""
    from accelnn import mnist_job

    try:
        for status in mnist_job.choose(names):
            if status.usable:
                _warm_up(status.name)
            elif names:
                raise click.ClickException(f"{status.name}: {status.reason}. {status.remedy}")
            else:
                click.echo(f"{status.name}: cannot run here: {status.reason}")
    except (AccelnnError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _warm_up(name: str) -> None:
    backend, started, compiled, found = accelnn.get_backend(name), time.perf_counter(), 0, 0
    before = started
    for what, is_new in backend.warm_up():
        now = time.perf_counter()
        if is_new:
            click.echo(f"{name}: {what}, {now - before:.1f} s")
        compiled, found, before = compiled + is_new, found + (not is_new), now
    seconds = time.perf_counter() - started
    if compiled + found == 0:
        click.echo(f"{name}: has nothing to compile")
    else:
        click.echo(f"{name}: {compiled} compiled, {found} found compiled, {seconds:.1f} s")


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure, compare, and write the report; "accelnn bench --help" says how."""
    for module in ("pytest", "pytest_benchmark", "matplotlib", "jinja2"):
        if find_spec(module) is None:
            raise click.ClickException(
                f"the bench needs {module}: python -m pip install 'accelnn[bench]'"
            )
    with subprocess.Popen([sys.executable, "-m", "accelnn.bench", *arguments]) as child:
        while True:
            try:
                code = child.wait()
                sys.exit(code if code >= 0 else 128 - code)  # ended by a signal, as a shell has it
            except KeyboardInterrupt:  # the bench says how to go on, and ends
                child.send_signal(signal.SIGINT)


def write_json(path: str, content: Any) -> None:
    """Write JSON atomically: the file is the old one or the whole new one."""
    try:
        replace_file(Path(path), (json.dumps(content, indent=2) + "\n").encode())
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error}") from error
