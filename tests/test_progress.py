"""What stderr shows: nothing, lines, or bars."""

import io
import os
import pty
import re
import subprocess
import sys

import pytest

from tlkit import progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def work(told):
    told.note("device: CPU, float32")
    with told.task("epoch 3/5", total=64) as task:
        task.tick(32, "loss 0.456")
        task.tick(32, "loss 0.123")


def test_a_pipe_gets_one_line_a_task_when_it_closes():
    stream = io.StringIO()
    work(progress.to(stream))
    first, second = stream.getvalue().splitlines()
    assert first == "device: CPU, float32"
    assert re.fullmatch(r"epoch 3/5  loss 0\.123  [\d,.]+ images/s", second)


def test_units_are_named_as_given():
    stream = io.StringIO()
    with progress.to(stream).task("folds", total=5, unit="folds") as task:
        task.tick(5)
    assert stream.getvalue().rstrip().endswith(" folds/s")


def test_a_task_that_fails_says_no_line():
    stream = io.StringIO()
    with pytest.raises(KeyError), progress.to(stream).task("epoch 1/5", total=2):
        raise KeyError
    assert stream.getvalue() == ""


def test_quiet_and_a_closed_stderr_say_nothing():
    stream = Terminal()
    work(progress.to(stream, quiet=True))
    work(progress.to(None))
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_with_rate_detail_and_notes_above(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    told = progress.to(stream)
    assert isinstance(told, progress.Bars)
    with told.task("epochs", total=2, unit="epochs") as outer:
        work(told)  # a task within a task: one live display
        outer.tick()
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", stream.getvalue())
    assert "device: CPU, float32\n" in plain.replace("\r", "")
    assert re.search(r"epoch 3/5 .* 64/64 .* images/s .*loss 0\.123", plain)
    assert re.search(r"epochs .* 1/2 ", plain)


def test_markup_in_names_is_shown_as_it_is(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    told = progress.to(stream)
    told.note("[red]: a class folder")
    with told.task("[bold]", total=1) as task:
        task.tick(1, "[dim]")
    assert "[red]: a class folder" in stream.getvalue()
    assert "[bold]" in stream.getvalue() and "[dim]" in stream.getvalue()


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = re.compile(r"\x1b\[[\d;]*3\d[\d;]*m")
    stream = Terminal()
    work(progress.to(stream))
    assert coloured.search(stream.getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    work(progress.to(stream))
    assert not coloured.search(stream.getvalue())


def test_a_dumb_terminal_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress.to(Terminal()), progress.Lines)


CODE = """
import sys
from tlkit import progress
told = progress.to(sys.stderr)
for step in range(2000):
    told.note("x" * 100)
print("done")
"""


def test_a_reader_that_leaves_does_not_end_the_work():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=writer, text=True)
    os.close(writer)
    assert done.stdout == "done\n"


def test_on_a_real_terminal_bars_are_drawn():
    ours, theirs = pty.openpty()
    code = "import sys; from tlkit import progress; print(type(progress.to(sys.stderr)).__name__)"
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True
    )
    os.close(ours)
    os.close(theirs)
    assert done.stdout == "Bars\n"
