"""Contact sheets: one HTML page that needs nothing beside itself, its pictures inside it.

Only texts and JPEG bytes come in; where they come from is not this module's concern. Every text is
escaped: a file may be called `<script>`.
"""

import base64
import html
from collections.abc import Sequence
from typing import NamedTuple

from tlkit import printed

MARK = "<!-- made by tlkit check -->"  # a page that begins like this may be written over
START = f"<!doctype html>\n{MARK}\n"
SIDE = 160  # pixels, the longer side of a thumbnail


class Shot(NamedTuple):
    """A picture and the lines under it, the path first."""

    path: str
    lines: Sequence[str] = ()
    jpeg: bytes | None = None  # None: it cannot be shown


class Row(NamedTuple):
    """What is said of some pictures together, or of one, or of none."""

    detail: str
    shots: Sequence[Shot] = ()


class Section(NamedTuple):
    title: str
    meaning: str
    rows: Sequence[Row]
    total: int  # of all rows, those that are not shown included


STYLE = """
:root { color-scheme: light dark; --ink: #1d1f21; --soft: #63686e; --paper: #fbfbfa; --card: #fff;
  --line: #dcdcd8; --link: #0b57a4 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e3; --soft: #a0a4a8; --paper: #17181a; --card: #212327;
    --line: #3a3d42; --link: #8ab8ef }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem; max-width: 84rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif }
h1 { font-size: 1.35rem; margin: 0 0 .75rem; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .25rem; padding-top: .75rem; border-top: 1px solid var(--line) }
h2 span, .soft { color: var(--soft); font-weight: normal }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .75rem 0 }
a { color: var(--link) }
p { margin: .25rem 0 .75rem }
pre { margin: 0; padding: .75rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere;
  background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  font: 12.5px/1.4 ui-monospace, "DejaVu Sans Mono", monospace }
.grid { display: flex; flex-wrap: wrap; gap: .75rem }
.row { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .6rem;
  max-width: 100% }
.row > p { margin: 0; max-width: 60rem; overflow-wrap: anywhere }
.row > p + div { margin-top: .4rem }
.shots { display: flex; flex-wrap: wrap; gap: .6rem }
figure { margin: 0; width: 160px }
figure > div { height: 160px; display: flex; align-items: center; justify-content: center;
  border-radius: 3px; background: #8882 }
img { display: block; max-width: 160px; max-height: 160px }
.none { color: var(--soft); font-size: 13px }
figcaption { font-size: 12.5px; line-height: 1.35; margin-top: .3rem; overflow-wrap: anywhere }
figcaption span { display: block; color: var(--soft) }
"""


def page(title: str, summary: str, sections: Sequence[Section]) -> str:
    """The whole page: a title, the report's own text, then a sheet for each section."""
    links = "".join(
        f'<a href="#s{place}">{text(section.title)} <span class="soft">{section.total:,}</span></a>'
        for place, section in enumerate(sections)
    )
    sheets = "".join(_sheet(place, section) for place, section in enumerate(sections))
    return (
        f'{START}<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # No script may run and nothing may be fetched, whatever a file is called.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<style>{STYLE}</style></head><body><h1>{text(title)}</h1><nav>{links}</nav>"
        f"<pre>{text(summary, lines=True)}</pre>{sheets}</body></html>\n"
    )


def text(value: str, *, lines: bool = False) -> str:
    """A text as HTML shows it; what cannot be printed as escapes, line ends too unless they are meant."""
    parts = value.splitlines() if lines else [value]
    return html.escape("\n".join(printed.shown(part) for part in parts))


def _sheet(place: int, section: Section) -> str:
    more = section.total - len(section.rows)
    rest = f"<p class=soft>And {more:,} more, not shown; --json has them all.</p>" if more > 0 else ""
    return (
        f'<section id="s{place}"><h2>{text(section.title)} <span>{section.total:,}</span></h2>'
        f'<p class="soft">{text(section.meaning)}</p>'
        f'<div class="grid">{"".join(map(_row, section.rows))}</div>{rest}</section>'
    )


def _row(row: Row) -> str:
    detail = f"<p>{text(row.detail)}</p>" if row.detail else ""
    shots = f'<div class="shots">{"".join(map(_shot, row.shots))}</div>' if row.shots else ""
    return f'<div class="row">{detail}{shots}</div>'


def _shot(shot: Shot) -> str:
    if shot.jpeg is None:
        picture = '<span class="none">no picture</span>'
    else:
        data = base64.b64encode(shot.jpeg).decode()
        picture = f'<img alt="" src="data:image/jpeg;base64,{data}">'
    below = "".join(f"<span>{text(line)}</span>" for line in shot.lines)
    return f"<figure><div>{picture}</div><figcaption>{text(shot.path)}{below}</figcaption></figure>"
