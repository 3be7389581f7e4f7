"""Competitors in processes of their own, of which one works at a time.

The thread pools of numerical libraries go on spinning for a while after the work, each on the cores
that the next competitor needs. Here every competitor has a process of its own; all but one sleep in
a blocking read of their pipe, and a pause before each turn lets the last one's pool fall asleep.
"""

import signal
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

#: Seconds between two turns. The threads of OpenBLAS were seen to spin for 0.11 s after a product;
#: with a pause of 0.1 s they took a core from the next competitor for a whole short turn.
PAUSE = 0.3
#: Seconds that a process has to end by itself after the last turn.
_FAREWELL = 2.0

#: What answers a task, as a rule with the seconds it took.
Player = Callable[[Any], Any]
#: What makes a player in its process, and its arguments; both have to survive pickling.
Entry = tuple[Callable[..., Player], tuple[Any, ...]]


class PlayerFailed(RuntimeError):
    """A competitor raised an error or ended; the message holds its name and its traceback."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name!r} failed in its process:\n{what}")


class Arena:
    """A context in which each competitor has a process; leaving it ends all of them.

    Parameters
    ----------
    entries : mapping from name to (factory, arguments)
        The factory runs once, in the new process, and returns the function that answers tasks.
    pause : float
        Seconds of silence before each turn.
    together : bool
        Start all processes at a time, which takes less; their factories must not measure anything.
    """

    def __init__(
        self, entries: Mapping[str, Entry], pause: float = PAUSE, together: bool = False
    ) -> None:
        self.entries, self.pause, self.together = entries, pause, together
        self._pipes: dict[str, Connection] = {}
        self._processes: dict[str, Any] = {}

    def __enter__(self) -> "Arena":
        try:
            for name in self.entries:
                self._start(name)
                if not self.together:  # one after the other: a start is work too
                    self._answer(name)
            for name in self.entries if self.together else ():
                self._answer(name)
        except BaseException:
            self._end(0.0)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(_FAREWELL if kind is None else 0.0)

    def ask(self, name: str, task: Any) -> Any:
        """Return the competitor's answer to a task.

        Raises
        ------
        PlayerFailed
            It raised an error, or its process ended.
        """
        time.sleep(self.pause)
        with suppress(BrokenPipeError):  # what it said before it ended is still to be read
            self._pipes[name].send(task)
        return self._answer(name)

    def round(self, task: Any) -> dict[str, Any]:
        """Return everybody's answer to the same task, asked one after the other."""
        return {name: self.ask(name, task) for name in self.entries}

    def contest(self, tasks: Iterable[Any]) -> dict[str, list[Any]]:
        """Return everybody's answers, a round for each task but the first, which is a warm-up."""
        answers: dict[str, list[Any]] = {name: [] for name in self.entries}
        for number, task in enumerate(tasks):
            for name, answer in self.round(task).items():
                if number:
                    answers[name].append(answer)
        return answers

    def _start(self, name: str) -> None:
        # A forked process would inherit the pools of this one, or rather their locks.
        context = get_context("spawn")
        mine, other = context.Pipe()
        factory, arguments = self.entries[name]
        process = context.Process(target=play, args=(other, factory, arguments), daemon=True)
        process.start()
        other.close()  # so that the end of the process is the end of the pipe
        self._pipes[name], self._processes[name] = mine, process

    def _answer(self, name: str) -> Any:
        try:
            well, answer = self._pipes[name].recv()
        except (EOFError, ConnectionResetError):
            process = self._processes[name]
            process.join(_FAREWELL)
            raise PlayerFailed(name, f"it ended with exit code {process.exitcode}") from None
        if not well:
            raise PlayerFailed(name, answer)
        return answer

    def _end(self, patience: float) -> None:
        for pipe in self._pipes.values():
            pipe.close()
        deadline = time.monotonic() + patience
        for process in self._processes.values():
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
            process.join()
        self._pipes, self._processes = {}, {}


def play(pipe: Connection, factory: Callable[..., Player], arguments: tuple[Any, ...]) -> None:
    """Answer tasks until the pipe is closed; the whole life of a competitor's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair, who ends us
    try:
        player = factory(*arguments)
        pipe.send((True, None))
        while True:
            try:
                task = pipe.recv()
            except EOFError:
                return
            pipe.send((True, player(task)))
    except Exception:
        with suppress(OSError):  # nobody is left to read it
            pipe.send((False, traceback.format_exc()))


def repetitions(call: Callable[[], Any], least: float) -> int:
    """Return how many calls in a row take at least ``least`` seconds."""
    n = 1
    while True:
        seconds = timed(call, n) * n
        if seconds >= least:
            return n
        # A tenth more than is missing, and at most tenfold: the first calls tell little.
        n = min(10 * n, int(1.1 * n * least / max(seconds, 1e-9)) + 1)


def timed(call: Callable[[], Any], n: int) -> float:
    """Return the seconds of one call, as the mean of ``n`` in a row."""
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n
