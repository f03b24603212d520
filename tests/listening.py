"""A progress that remembers what a run told on the way."""

from tlkit.progress import Silent


class Notes(Silent):
    def __init__(self):
        self.told = []

    def note(self, text):
        self.told.append(text)
