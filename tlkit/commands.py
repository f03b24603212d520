"""What commands are made of: tlkit's errors as Click's, a job loaded without noise, a result printed."""

import errno
import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from tlkit import printed, progress, report
from tlkit.errors import TlkitError, UsageError


class Failure(click.ClickException):
    """A `TlkitError` on its way out."""

    def __init__(self, error: TlkitError):
        super().__init__(error.message)
        self.kind, self.hint = error.kind, error.hint
        self.exit_code = error.exit_code  # type: ignore[misc]  # Click reads it from the instance


class Commands(click.Group):
    """Turns what tlkit raises into what Click prints; no command has a `try`."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TlkitError as error:
            raise Failure(error) from error
        except (BrokenPipeError, EOFError) as error:
            # Click would take these for a reader that left and for Ctrl-D, and end without a word.
            raise RuntimeError(f"another process ended early: {error!r}") from error
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:  # raised by the mere question whether it is there
                raise
            message = f"A path is longer than the system takes: '{printed.shown(str(error.filename))[:60]}…'."
            raise Failure(UsageError(message, "Name a shorter one.")) from error


def show(result: report.Report, as_json: bool) -> None:
    """Print a result and end with its exit code."""
    write(result.json() if as_json else result.text())
    click.get_current_context().exit(result.exit_code)


def write(text: str) -> None:
    """Print on stdout."""
    try:
        click.echo(text)
    except BrokenPipeError:  # `| head` has seen enough; the work is done all the same
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def job(name: str, keras: bool = True) -> Callable:
    """A function of `tlkit.run`, loaded without what TensorFlow writes as it starts (unless --debug).

    Keras, if the job needs it, loads here too: later its words would not be hushed.
    """
    from tlkit import run

    if click.get_current_context().find_root().obj:
        return getattr(run, name)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with progress.hushed():
        found = getattr(run, name)
        if keras:
            import_module("keras")
    for logger in ("absl", "tensorflow"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    return found
