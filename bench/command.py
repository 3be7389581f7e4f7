"""The one command of the bench: run the suites, write the page, compare runs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from accelnn.bench.comparing import compare
from accelnn.bench.merging import NAME, merge, read_run
from accelnn.bench.progress import Display
from accelnn.bench.running import Outcome, Runner, one_interrupt
from accelnn.bench.settings import Settings, read_batches, read_network, read_shapes
from accelnn.bench.settings import usable as settings_usable
from accelnn.bench.suites import PARTS, SUITES, Part
from accelnn.errors import BackendUnavailable
from accelnn.paths import replace_file

FOLDER = Path("accelnn-bench")
PAGE = "report.html"
#: Where the files of the suites are.
HERE = Path(__file__).parent


def read_by(reader: Callable[[str], Any]) -> Callable[..., Any]:
    """Return a callback of click that reads an option, and says what it had expected."""

    def callback(_context: Any, _parameter: Any, text: str | None) -> Any:
        try:
            return None if text is None else reader(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


@click.command("bench", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("words", nargs=-1, metavar="[SUITE | FILE]...")
@click.option("--quick", is_flag=True, help="Fewer sizes and samples: about two minutes.")
@click.option("--backend", "names", multiple=True, help="Repeat for several; default: all.")
@click.option("--out", type=click.Path(path_type=Path), help=f"Folder to write; default: {FOLDER}.")
@click.option("--shapes", callback=read_by(read_shapes), help="Products, such as 64x64x64,9x7x5.")
@click.option("--network", callback=read_by(read_network), help="Widths, such as 784-512-512-10.")
@click.option("--batch", callback=read_by(read_batches), help="Minibatches, such as 32,128.")
@click.option("--fresh", is_flag=True, help="Measure again what has been measured.")
@click.option("--no-report", is_flag=True, help="Write the figures, but no page.")
@click.option("--compare", "comparing", is_flag=True, help="Compare two runs: files or folders.")
@click.option("--report", "reporting", is_flag=True, help="Write one page over several runs.")
def bench(
    words: tuple[str, ...],
    quick: bool,
    names: tuple[str, ...],
    out: Path | None,
    shapes: Any,
    network: Any,
    batch: Any,
    fresh: bool,
    no_report: bool,
    comparing: bool,
    reporting: bool,
) -> None:
    """Measure the argument that a network is matrix products, and that these parallelise.

    SUITE is matmul, scaling, kernels, backprop, mnist, predict, peers, estimators,
    graph or all, which is the default.
    Figures go to bench.json in the folder, the page to report.html. What has been measured with
    the same settings is not measured again, so an interrupted run goes on where it was.

    \b
      accelnn bench --quick
      accelnn bench matmul mnist --backend numba --out my-run
      accelnn bench --compare old/bench.json my-run
      accelnn bench --report laptop/bench.json server/bench.json --out page.html

    --compare ends with 0 if nothing became slower beyond the noise, with 1 if something did, with 2
    if nothing could be compared. A run ends with 0, or with 1 if a part failed.
    """  # noqa: D301 - click's mark for lines that are to stay
    if comparing and reporting:
        raise click.UsageError("--compare and --report exclude each other")
    if comparing:
        sys.exit(compare_files(words))
    if reporting:
        report_files(words, out)
        return
    parts = choose(words)
    given = {"shapes": shapes, "network": network, "batches": batch}
    settings = Settings(
        scale="quick" if quick else "full",
        backends=usable(names),
        **{key: value for key, value in given.items() if value is not None},
    )
    folder = out or FOLDER
    prepare(folder / "parts")
    runner = Runner(folder / "parts", settings, HERE)
    if fresh:
        for part in parts:
            runner.forget(part)
    try:
        with one_interrupt():
            outcomes = run(runner, parts, Console())
            finish(runner, outcomes, folder, None if no_report else folder / PAGE)
    except KeyboardInterrupt:
        kept = sum(runner.kept(part) is not None for part in parts)
        again = "the same command without --fresh" if fresh else "the same command"
        click.echo(f"stopped; {kept} of {len(parts)} parts are kept, {again} goes on from there")
        sys.exit(130)
    failed = [outcome.part.label for outcome in outcomes if outcome.state == "failed"]
    if failed:
        raise click.ClickException(
            f"failed: {', '.join(failed)}; their logs are in {folder / 'parts'}"
        )


def choose(words: tuple[str, ...]) -> list[Part]:
    """Return the parts of the suites named, in the order of the argument."""
    for word in words:
        if word not in (*SUITES, "all"):
            known = ", ".join((*SUITES, "all"))
            raise click.UsageError(f"there is no suite {word!r}: expected one of {known}")
    wanted = set(SUITES) if not words or "all" in words else set(words)
    files = {SUITES[word] for word in wanted}
    return [part for part in PARTS if part.suite in files]


def usable(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return what ``settings.usable`` does, or say which backend cannot be measured."""
    try:
        return settings_usable(names)
    except (ValueError, BackendUnavailable) as error:
        raise click.ClickException(str(error)) from error


def prepare(folder: Path) -> None:
    """Make the folders, or say why nothing can be written there before anything is measured."""
    try:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        replace_file(folder / "probe", b"")
        (folder / "probe").unlink()
    except OSError as error:
        raise click.ClickException(
            f"cannot write into {folder.parent}: {error.strerror}"
        ) from error


def run(runner: Runner, parts: list[Part], console: Console) -> list[Outcome]:
    """Run the parts one after the other, with a bar, or lines where there is no terminal."""
    waiting = [part for part in parts if runner.kept(part) is None]
    outcomes = [runner.run(part) for part in parts if part not in waiting]
    with Display(waiting, runner.settings.scale == "quick", console) as display:
        for outcome in outcomes:
            display.show(outcome)
        for part in waiting:
            display.start(part)
            outcomes.append(runner.run(part, display.tick))
            display.finish(outcomes[-1])
    return outcomes


def finish(runner: Runner, outcomes: list[Outcome], folder: Path, page: Path | None) -> None:
    """Merge all parts that were measured with these settings, now or before, and write the page."""
    runs = [found for part in PARTS if (found := runner.kept(part)) is not None]
    if not runs:
        click.echo("nothing was measured, so nothing is written")
        return
    merged = merge(runs, outcomes)
    replace_file(folder / NAME, json.dumps(merged).encode())
    click.echo(f"figures: {folder / NAME}")
    if page is not None:
        write_page(page, [merged])


def write_page(path: Path, runs: list[dict[str, Any]]) -> None:
    """Write the page and say where it lies."""
    from accelnn.bench.report.assembly import write  # draws: matplotlib takes a second to import

    try:
        write(path, runs)
    except OSError as error:
        raise click.ClickException(f"cannot make the page {path}: {error}") from error
    click.echo(f"page: {path}")


def compare_files(words: tuple[str, ...]) -> int:
    """Print what changed between two runs, and return the exit status."""
    if len(words) != 2:
        raise click.UsageError(f"--compare takes two files or folders, not {len(words)}")
    try:
        found = compare(*(read_run(Path(word)) for word in words))
    except ValueError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    if found.of("slower") or found.of("faster"):
        Console().print(found.table())
    for line in found.lines():
        click.echo(line)
    return found.status


def report_files(words: tuple[str, ...], out: Path | None) -> None:
    """Write one page over several runs; without --out into the current folder."""
    if not words:
        raise click.UsageError("--report takes files or folders of runs")
    try:
        runs = [read_run(Path(word)) for word in words]
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    path = Path(PAGE) if out is None else out / PAGE if out.suffix != ".html" else out
    if not path.parent.is_dir():
        raise click.ClickException(f"cannot write {path}: its folder is missing")
    write_page(path, runs)
