"""A picture of one load: a bar of requests per second for each server, in SVG, for light and dark pages alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.results import Row
from bench.servers import SERVERS

WIDTH: Final = 860
MARGIN: Final = 20
NAMES: Final = 300  # where bars begin
ROW: Final = 44
TOP: Final = 96
FIGURES: Final = 170  # room for the figures after the longest bar

_STYLE: Final = """
  svg { color-scheme: light dark; }
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .page { fill: #ffffff; }
  .title { font-size: 17px; font-weight: 600; }
  .note { font-size: 12px; fill: #59636e; }
  .name, .figure { font-weight: 600; }
  .bar { fill: #8c959f; }
  .ours { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .page { fill: #0d1117; }
    .note { fill: #9198a1; }
    .bar { fill: #656c76; }
    .ours { fill: #4493f8; }
  }
"""


def chart(rows: Sequence[Row], *, title: str, notes: tuple[str, str]) -> str:
    """The rows from top to bottom, with each one's ratio to this project's server; the notes go below the title."""
    height = TOP + ROW * len(rows) + MARGIN
    longest = max(row.requests_per_second for row in rows)
    labels = {server.name: server.label for server in SERVERS}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title">',
        f'<title id="title">{escape(title)}</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{MARGIN}" y="34">{escape(title)}</text>',
        *(f'<text class="note" x="{MARGIN}" y="{56 + 18 * i}">{escape(note)}</text>' for i, note in enumerate(notes)),
    ]
    for index, row in enumerate(rows):
        y = TOP + ROW * index
        length = round((WIDTH - NAMES - FIGURES) * row.requests_per_second / longest, 1)
        kind = "bar ours" if row.server == SERVERS[0].name else "bar"
        ratio = "" if row.ratio is None else f" \u00d7 {row.ratio:.2f}"
        parts += [
            f'<text class="name" x="{MARGIN}" y="{y + 15}">{escape(row.name)}</text>',
            f'<text class="note" x="{MARGIN}" y="{y + 31}">{escape(labels[row.server])}</text>',
            f'<rect class="{kind}" x="{NAMES}" y="{y + 4}" width="{length}" height="28" rx="3"/>',
            f'<text x="{NAMES + length + 8}" y="{y + 23}"><tspan class="figure">{row.requests_per_second:,.0f}</tspan>'
            f'<tspan class="note">/s{ratio}</tspan></text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
