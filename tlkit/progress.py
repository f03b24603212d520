"""What a run says while it works, on stderr: nothing, lines, or bars on a terminal.

    progress.note("Written to runs/001.")
    with progress.task("epoch 3/5", total=244) as task:
        task.tick(32, "loss 0.123")

Silent, Lines and Bars can all do that.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress


class Task:
    """A stretch of work of known length. `detail` is the last that was told."""

    def __init__(self, title: str, total: int, unit: str = "images"):
        self.title, self.total, self.unit = title, total, unit
        self.done, self.detail = 0, ""
        self.started = time.perf_counter()

    def tick(self, n: int = 1, detail: str = "") -> None:
        """`n` units more are done."""
        self.done += n
        self.detail = detail or self.detail

    @property
    def rate(self) -> str:
        """Units a second so far, with their name.

        >>> task = Task("epoch 1/5", total=10)
        >>> task.rate
        ''
        """
        seconds = time.perf_counter() - self.started
        if not self.done or seconds <= 0:
            return ""
        speed = self.done / seconds
        return f"{speed:,.0f} {self.unit}/s" if speed >= 10 else f"{speed:.1f} {self.unit}/s"


class Silent:
    """Says nothing."""

    def note(self, text: str) -> None:
        """One line for the reader."""

    @contextmanager
    def task(self, title: str, total: int, unit: str = "images") -> Iterator[Task]:
        """Work that is told of by `tick`."""
        yield Task(title, total, unit)


SILENT = Silent()  # the default of every job


class Lines(Silent):
    """One line for a note, and one for a task when it has ended well: for files and pipes."""

    def __init__(self, stream: TextIO):
        self.stream: TextIO | None = stream

    def note(self, text: str) -> None:
        if self.stream is None:
            return
        try:
            print(text, file=self.stream, flush=True)
        except BrokenPipeError:
            self.stream = None  # the reader has left; an hour of training should not end for it

    @contextmanager
    def task(self, title: str, total: int, unit: str = "images") -> Iterator[Task]:
        task = Task(title, total, unit)
        yield task
        self.note("  ".join(part for part in (title, task.detail, task.rate) if part))


class Bars(Silent):
    """A bar for each task, with its rate and the time left; notes go above it: for terminals."""

    def __init__(self, stream: TextIO):
        from rich.console import Console

        self.console = Console(file=stream, highlight=False)  # knows NO_COLOR
        self.live: Progress | None = None  # one at a time, for tasks within tasks too
        self.running = 0

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, title: str, total: int, unit: str = "images") -> Iterator[Task]:
        if self.live is None:
            self.live = _columns(self.console)
            self.live.start()
        self.running += 1
        task = _Bar(self.live, title, total, unit)
        try:
            yield task
        finally:
            self.live.stop_task(task.id)
            self.running -= 1
            if not self.running:
                self.live.stop()
                self.live = None


class _Bar(Task):
    def __init__(self, live: "Progress", title: str, total: int, unit: str):
        super().__init__(title, total, unit)
        self.live = live
        self.id = live.add_task(title, total=total, detail="", rate="")

    def tick(self, n: int = 1, detail: str = "") -> None:
        super().tick(n, detail)
        self.live.update(self.id, advance=n, detail=self.detail, rate=self.rate)


def _columns(console) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[detail]}", markup=False),
        console=console,
    )


def to(stream: TextIO | None, quiet: bool = False) -> Silent:
    """The progress that suits a stream: bars on a terminal that can move its cursor, lines elsewhere."""
    if quiet or stream is None:
        return Silent()
    if stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        return Bars(stream)
    return Lines(stream)


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing reaches stderr: TensorFlow's C++ code writes there before it reads any setting."""
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
