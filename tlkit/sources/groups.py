"""What belongs together by its name or place: photos of one group are never parted by a split."""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from tlkit.errors import DataError, UsageError
from tlkit.printed import shown
from tlkit.sources.layout import SPLITS
from tlkit.sources.listed import Entry, named
from tlkit.sources.tree import nfc

FORMS = (
    "Groups are told by name:REGEX (what a pattern finds in a file's name), folder:N (1: the folder that "
    "holds the file, 2: the one above it) or column:NAME (of a table)."
)


def by(entries: Sequence[Entry], rule: str | None) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries with their groups by a rule, and what to say of it; without a rule as they are.

    name:REGEX   the first group of the pattern, or all that it finds, in the name without folders
    folder:N     the folders from the class folder down to the N-th above the file, 1 being the one
                 that holds it: cat/anna/1.jpg and dog/anna/7.jpg are of one group, anna
    column:NAME  the column of a table, which `tables.read` reads

    A file that the rule does not fit is in no group; a rule takes the place of a table's groups.
    Raises `UsageError` for a rule that is none, `DataError` for one that fits no file or makes
    each class one group.
    """
    if rule is None:
        return list(entries), ()
    form, _, value = rule.partition(":")
    if column(rule):
        if all(entry.group is None for entry in entries):
            hint = "Only a table has columns, and a row of it has to name a group there."
            raise DataError(f"There are no groups in a column '{shown(value)}'.", hint)
        found = list(entries)
    elif form == "name" and value:
        group = _name(rule, value)
        found = [_placed(entry, group(entry.path.rpartition("/")[2])) for entry in entries]
        if all(entry.group is None for entry in found):
            names = named((entry.path for entry in entries[:3]), 3)
            raise DataError(f"'{shown(rule)}' finds nothing in any file's name, as in {names}.", FORMS)
    elif form == "folder" and value.isascii() and value.isdigit() and int(value[:9]):
        level = int(value[:9])
        found = [_placed(entry, _folder(entry, level)) for entry in entries]
        if all(entry.group is None for entry in found):
            raise DataError(
                f"'{shown(rule)}' reaches no folder below the class folders: each class would be one group.",
                "With --subfolders merge, folders inside class folders are read, and folder:1 is a group.",
            )
    else:
        raise UsageError(f"'{shown(rule)}' tells no groups.", FORMS)
    return found, (_told(found, rule), *_whole(found, rule))


def column(rule: str | None) -> str | None:
    """The column of a table that a rule names, if it names one."""
    form, _, name = (rule or "").partition(":")
    return name if form == "column" and name else None


def _placed(entry: Entry, group: str | None) -> Entry:
    return Entry(entry.path, entry.label, entry.split, sys.intern(group) if group else None)


def _name(rule: str, pattern: str) -> Callable[[str], str | None]:
    try:
        search = re.compile(pattern).search
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"'{shown(rule)}' holds no regular expression: {error}.", FORMS) from error

    def group(name: str) -> str | None:
        found = search(name)
        if not found:
            return None
        return found[1] if found.re.groups else found[0]

    return group


def _folder(entry: Entry, level: int) -> str | None:
    """The folders of a path below its class folder, down to one; of the whole path if there is none."""
    folders = entry.path.split("/")[:-1]
    inner = entry.label.count("/") + 1
    for start in (0, 1) if folders and folders[0].casefold() in SPLITS else (0,):
        if nfc("/".join(folders[start : start + inner])) == nfc(entry.label):
            folders = folders[start + inner :]
            break
    return "/".join(folders[: len(folders) - level + 1]) if len(folders) >= level else None


def _whole(entries: Sequence[Entry], rule: str) -> tuple[str, ...]:
    """What to say of classes that are one group, so that they cannot be split; an error if all are."""
    groups: dict[str, set[str | None]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry.split is None:
            counts[entry.label] += 1
            groups[entry.label].add(entry.group)
    whole = [label for label, found in groups.items() if len(found) == 1 and None not in found]
    whole = sorted(label for label in whole if counts[label] > 1)
    if not whole:
        return ()
    if len(whole) == len(groups):
        raise DataError(
            f"'{shown(rule)}' makes each class one group ({named(whole, 3)}), so that none can be split.",
            "A group is what belongs together within a class, as photos of one animal, place or day.",
        )
    return (f"All photos of a class are one group by '{shown(rule)}', and stay together: {named(whole)}.",)


def _told(entries: Sequence[Entry], rule: str) -> str:
    sizes = Counter(entry.group for entry in entries if entry.group is not None)
    alone = [entry.path for entry in entries if entry.group is None]
    photos = f"{sizes.total():,} photo{'s' * (sizes.total() != 1)}"
    told = f"{photos} in {len(sizes):,} group{'s' * (len(sizes) != 1)} by '{shown(rule)}'"
    if alone:
        told += f"; {len(alone):,} in none, standing alone: {named(alone)}"
    return f"{told}."
