"""What can go wrong, as a caller may want to catch it.

    TlkitError                 exit 1: tlkit could not
    ├── UsageError             exit 2: a wrong argument, or a path that is not there
    │   ├── UnknownBackbone    a name that INDEX does not hold
    │   └── RecipeError        a setting that does not exist, or has a value out of bounds
    ├── DataError              the photos cannot be used as they are
    ├── WeightsError           a weights file is missing, damaged or of another network
    │   └── Unreachable        it is not here, and there is no network, or is to be none
    ├── ModelError             a saved model cannot be read
    ├── DeviceError            the asked-for device or precision is not there
    ├── MissingPackage         an optional package is needed and cannot be imported
    ├── TrainingError          training stopped: the loss is not finite
    ├── OutputError            a result cannot be written where it was asked for
    └── ExportError            a model could not be written as a phone file
        └── ExportRefused      exit 3: it was written and is not good enough

Anything else that escapes is a mistake of tlkit's own and keeps its trace.
"""


class TlkitError(Exception):
    """What was wrong and where (`message`), and what to do about it (`hint`), in full sentences."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message if hint is None else f"{message} {hint}")
        self.message = message
        self.hint = hint

    @property
    def kind(self) -> str:
        """The class's name as JSON has it: `UnknownBackbone` is "unknown_backbone"."""
        name = type(self).__name__
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class UsageError(TlkitError):
    exit_code = 2


class UnknownBackbone(UsageError):
    pass


class RecipeError(UsageError):
    pass


class DataError(TlkitError):
    pass


class WeightsError(TlkitError):
    pass


class Unreachable(WeightsError):
    pass


class ModelError(TlkitError):
    pass


class DeviceError(TlkitError):
    pass


class MissingPackage(TlkitError):
    pass


class TrainingError(TlkitError):
    pass


class OutputError(TlkitError):
    pass


class ExportError(TlkitError):
    pass


class ExportRefused(ExportError):
    exit_code = 3
