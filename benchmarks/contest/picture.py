"""The picture: for each contestant, how many requests the server counted in the window that ends at each moment. Pure.

SVG by hand, since it is a few rectangles and paths. It brings its own background, so that it reads the same on a light and
on a dark page.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from contest.course import REFUSED
from contest.figures import figures, peaks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connector.sandbox.emulator import Quota
    from contest.contestants import Contestant
    from contest.course import Course
    from contest.figures import Figures

_WIDTH, _LEFT, _RIGHT, _TOP = 868, 44, 24, 62
_PANEL, _PLOT, _FOOT = 88, 52, 34
_COLUMN = 2
"""The width of the shortest time that is told apart."""
_COLUMNS = (_WIDTH - _LEFT - _RIGHT) // _COLUMN
_OURS, _THEIRS, _ALARM, _INK, _FAINT = "#1f6feb", "#6e7781", "#d1242f", "#1f2328", "#d0d7de"


@dataclass(frozen=True, slots=True)
class _Scale:
    most: int
    top: float

    def y(self, count: float) -> float:
        return round(self.top + _PLOT * (1 - count / self.most), 1)


def picture(runs: Sequence[tuple[Contestant, Course]], quota: Quota) -> str:
    """The whole SVG document; one panel for each contestant, all to the same scale."""
    found = [(contestant, course, figures(course, quota)) for contestant, course in runs]
    most = max([quota.requests, *(each.worst_window for _, _, each in found)]) + quota.requests // 10
    panels = [
        _panel(contestant, course, each, quota, _Scale(most, _TOP + number * _PANEL + 22))
        for number, (contestant, course, each) in enumerate(found)
    ]
    height = _TOP + len(runs) * _PANEL + _FOOT
    seconds = max((course.seconds for _, course in runs), default=0)
    frame = _frame(height, quota, [(contestant, each) for contestant, _, each in found])
    return "\n".join([*frame, *panels, _times(seconds, height - _FOOT), "</svg>\n"])


def _frame(height: int, quota: Quota, rows: Iterable[tuple[Contestant, Figures]]) -> list[str]:
    window = f"{quota.per_seconds:g} s"
    title = f"Requests at the server in any {window}, with a backlog; {quota.requests} are allowed"
    told = ". ".join(f"{contestant.name}: {_words(each)}" for contestant, each in rows)
    style = 'role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {style}>',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(told)}.</desc>',
        f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="6" fill="#fff" stroke="{_FAINT}"/>',
        f'<text x="{_LEFT}" y="28" fill="{_INK}" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<path d="M{_LEFT} 43h22" stroke="{_ALARM}" stroke-dasharray="4 3"/>',
        f'<text x="{_LEFT + 28}" y="47" fill="{_INK}">the limit</text>',
        f'<path d="M{_LEFT + 96} 43h22" stroke="{_ALARM}" stroke-width="5"/>',
        f'<text x="{_LEFT + 124}" y="47" fill="{_INK}">requests refused (429)</text>',
        f'<path d="M{_LEFT + 288} 43h22" stroke="{_INK}" stroke-dasharray="2 2"/>',
        f'<text x="{_LEFT + 316}" y="47" fill="{_INK}">the replica that sends ends, or is killed</text>',
    ]


def _panel(contestant: Contestant, course: Course, found: Figures, quota: Quota, scale: _Scale) -> str:
    colour = _OURS if contestant.promise else _THEIRS
    limit, bottom = scale.y(quota.requests), scale.y(0)
    width = _COLUMNS * _COLUMN
    columns = [course.began + course.seconds * each / _COLUMNS for each in range(_COLUMNS + 1)]
    times = sorted(each.monotonic for each in course.requests)
    line = _steps(peaks(times, quota.per_seconds, columns), scale)
    name = f'<tspan font-weight="600">{escape(contestant.name)}</tspan>'
    parts = [
        f'<text x="{_LEFT}" y="{scale.top - 6}" fill="{_INK}">{name} · {escape(_words(found))}</text>',
        f'<path d="M{_LEFT} {bottom:g}{line}V{bottom:g}" fill="{colour}" fill-opacity="0.18" stroke="{colour}"/>',
        f'<path d="M{_LEFT} {limit}h{width}" stroke="{_ALARM}" stroke-dasharray="4 3"/>',
        f'<path d="M{_LEFT} {bottom}h{width}" stroke="{_FAINT}"/>',
        _count_label(quota.requests, limit),
        _count_label(0, bottom),
    ]
    if refused := _marks(course):
        parts.append(
            f'<path d="{refused}" transform="translate(0 {bottom + 4})" stroke="{_ALARM}" stroke-width="5"/>'
        )
    if course.shocked is not None:
        x = _LEFT + round(width * (course.shocked - course.began) / course.seconds)
        parts.append(f'<path d="M{x} {scale.top}V{bottom}" stroke="{_INK}" stroke-dasharray="2 2"/>')
    return "\n".join(parts)


def _words(found: Figures) -> str:
    share = "" if found.share is None else f"{found.share:.1%} of the limit accepted, "
    return f"{share}{found.refused:,} refused, worst window {found.worst_window}"


def _count_label(count: int, y: float) -> str:
    return f'<text x="{_LEFT - 6}" y="{y + 4}" fill="{_INK}" font-size="10" text-anchor="end">{count}</text>'


def _steps(counts: Iterable[int], scale: _Scale) -> str:
    """A path over the columns, from the left end of the base on."""
    return "".join(f"V{scale.y(count):g}h{_COLUMN * len(list(same))}" for count, same in groupby(counts))


def _marks(course: Course) -> str:
    """A path with a mark in each column in which a request was refused."""
    per_column = course.seconds / _COLUMNS
    struck = {
        int((each.monotonic - course.began) / per_column)
        for each in course.of_backlog
        if each.status == REFUSED
    }
    return "".join(f"M{_LEFT + _COLUMN * each} 0h{_COLUMN}" for each in sorted(struck))


def _times(seconds: float, y: float) -> str:
    width, step = _COLUMNS * _COLUMN, 60 if seconds > 120 else 10
    marks = "".join(
        f'<text x="{_LEFT + width * each / seconds:g}" y="{y + 14}">{each} s</text>'
        for each in range(0, int(seconds) + 1, step)
    )
    return f'<g fill="{_INK}" font-size="10" text-anchor="middle">{marks}</g>'
