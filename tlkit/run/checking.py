"""Look through a folder of photos and tell what is odd about it; no TensorFlow, nothing changed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlkit import files, findings, printed, sheets
from tlkit.checked import SPLITS, Checked
from tlkit.data import fits, folders
from tlkit.data.folders import Folder
from tlkit.data.looks import FORMS
from tlkit.errors import OutputError, UsageError
from tlkit.findings import Finding, accounts, sizes
from tlkit.progress import SILENT, Silent
from tlkit.run import contact


def check(
    images: Any,
    *,
    fit: str = "stretch",
    subfolders: str = "ignore",
    group: str | None = None,
    workers: int = 0,
    strict: bool = False,
    html: Path | None = None,
    progress: Silent = SILENT,
) -> Checked:
    """Read every photo of a folder or table once and report on all of them.

    What forbids training is a finding here, not an error. With `html`, contact sheets of the
    findings are written to that file.

    Raises `UsageError` if there are no photos, or for a place where no page may be written.
    """
    if fit not in fits.FITS:
        raise UsageError(f"No fit is called '{fit}'.", f"There are {', '.join(fits.FITS)}.")
    if html is not None:
        try:
            _check_place(html, images)
        except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
            why = printed.why(error) if isinstance(error, OSError) else "a link that leads nowhere"
            raise UsageError(
                f"--html {printed.shown(html)} cannot be used: {why}.", "Name another place."
            ) from error
    folder = folders.scan(
        images, subfolders=subfolders, group=group, workers=workers, progress=progress, tolerant=True
    )
    result = report(folder, fit, strict, html)
    if html is not None:
        _write(html, contact.page(folder, result, workers, progress))
    return result


class Images(Sequence[dict[str, Any]]):
    """A row for each photo, made when it is asked for: a million of them fill the memory."""

    def __init__(self, folder: Folder):
        self._folder = folder

    def __len__(self) -> int:
        return len(self._folder.photos)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        photo, look = self._folder.photos[index], self._folder.looks[index]
        return {
            "path": photo.path,
            "label": self._folder.classes[photo.label],
            "split": photo.split,
            "format": FORMS[look["form"]],
            "width": int(look["width"]),
            "height": int(look["height"]),
            "bytes": int(look["bytes"]),
            "sha256": photo.sha256,
            "group": None if photo.group < 0 else photo.group,
        }

    def plain(self) -> list[dict[str, Any]]:
        """What JSON gets."""
        return list(self)


def report(folder: Folder, fit: str, strict: bool, html: Path | None) -> Checked:
    """What is to be told of a scanned folder."""
    account = accounts.account(folder)
    found = sorted([*findings.findings(folder, fit), *_stray(account)], key=findings.rank)
    counts = Counter(finding.kind for finding in found)
    forms = Counter(FORMS[form] for form in folder.looks["form"].tolist())
    return Checked(
        root=folder.root,
        layout=folder.layout,
        classes=_classes(folder),
        images=Images(folder),
        findings=found,
        kinds={
            kind: {"count": counts[kind], "meaning": meaning}
            for kind, meaning in findings.KINDS.items()
            if counts[kind]
        },
        skipped=folder.skipped,
        found=account.found,
        left_out=account.reasons,
        by_extension=[
            {"extension": extension, "used": used, "left_out": left}
            for extension, used, left in account.by_extension
        ],
        formats=dict(forms.most_common()),
        turned=int(folder.looks["turned"].sum()),
        sizes=_sizes(folder),
        shapes=sizes.shapes(folder.looks, fit),
        fit=fit,
        strict=strict,
        html=html,
        notes=folder.notes,
        name=folder.called(),
    )


def _stray(account: accounts.Account) -> list[Finding]:
    """Pictures that lie in no class folder, by the folder that they lie in."""
    lying: dict[str, list[str]] = defaultdict(list)
    for path in account.stray:
        lying[path.rpartition("/")[0]].append(path)
    rows = []
    for above, paths in lying.items():
        where = "outside the class folders" + ("; --subfolders takes those below one" if above else "")
        count = "a picture" if len(paths) == 1 else f"{len(paths):,} pictures"
        rows.append(
            Finding(above or paths[0], "left_out", f"{count} {where}", tuple(paths if above else paths[1:]))
        )
    return rows


def _classes(folder: Folder) -> list[dict[str, Any]]:
    sides = findings.sides(folder)
    counts: dict[str | None, Counter[int]] = defaultdict(Counter)
    for photo, side in zip(folder.photos, sides, strict=True):
        counts[side][photo.label] += 1
    rows = []
    for label, name in enumerate(folder.classes):
        count = sum(each[label] for each in counts.values())
        splits = {split: counts[split][label] if split in counts else None for split in SPLITS}
        rows.append({"label": name, "count": count, "share": count / max(1, len(sides)), **splits})
    return rows


def _sizes(folder: Folder) -> dict[str, Any] | None:
    if not folder.photos:
        return None
    found = sizes.sizes(folder.looks)

    def row(index: int) -> dict[str, Any]:
        look = folder.looks[index]
        path = folder.photos[index].path
        return {"path": path, "width": int(look["width"]), "height": int(look["height"])}

    return {"usual": list(found.usual), "smallest": row(found.smallest), "largest": row(found.largest)}


def _check_place(html: Path, images: Any) -> None:
    """Raises `UsageError` where a page would change what is the user's."""
    if isinstance(images, str | Path) and Path(images).is_dir():
        inside, place = Path(images).resolve(), html.resolve()
        if inside in place.parents:
            raise UsageError(
                f"The page would be written to {printed.shown(html)}, inside the photos' own folder.",
                "Name another place with --html.",
            )
    if html.is_dir():
        raise UsageError(f"--html {printed.shown(html)} is a folder.", "Name a file in it.")
    if html.exists() and not html.is_file():  # opening a pipe would wait for its writer
        raise UsageError(f"--html {printed.shown(html)} is no regular file.", "Name a new file.")
    if html.exists():
        with html.open("rb") as file:
            own = file.read(len(sheets.START)) == sheets.START.encode()
        if not own:
            raise UsageError(
                f"--html {printed.shown(html)} is there already and is no page of tlkit's.",
                "Name a new file; nothing is written over.",
            )


def _write(html: Path, page: str) -> None:
    try:
        files.write(html, page)
    except OutputError as error:
        raise OutputError(error.message, "Name another place with --html.") from error
