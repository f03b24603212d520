"""A progress that keeps what it is told."""

from contextlib import contextmanager

from tlkit.progress import Silent, Task


class Told(Silent):
    def __init__(self):
        self.notes: list[str] = []
        self.tasks: list[Task] = []

    def note(self, text):
        self.notes.append(text)

    @contextmanager
    def task(self, title, total, unit="images"):
        self.tasks.append(Task(title, total, unit))
        yield self.tasks[-1]
