"""The plots of a report, as SVG, one for each group of cells: a row of panels for each block.

A dot is a median, the line through it reaches from the least to the most; hollow dots are tails. The scales are
logarithmic, since the peers lie up to a hundred times apart, and the same for all panels of a row that have one unit.
The dashed line is the best peer.
"""

import math
from xml.sax.saxutils import escape

import machine
import summary
from table import number

WIDTH = 1180
LEFT = 180  # where the panels begin; the transports' titles are before it
GAP = 26
ROW = 20
HEAD = 44  # above a panel's first row: its title
AXIS = 30  # below its last row: ticks
TOP = 96
VALUE_ROOM = 88  # right of the longest mark: the value and the ratio

COLOURS = {"kith": "#c2410c", "peer": "#334155", "ceiling": "#94a3b8"}
FAINT = "#e2e8f0"
QUIET = "#64748b"

STYLE = """
text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #0f172a; }
.title { font-size: 18px; font-weight: 600; }
.head { font-size: 13px; font-weight: 600; }
.quiet { fill: #64748b; font-size: 11px; }
.kith { fill: #c2410c; font-weight: 600; }
"""


class Scale:
    """A logarithmic axis from the least to the most of some figures."""

    def __init__(self, values, left, right):
        self.low = math.log10(min(values)) - 0.1
        self.high = math.log10(max(values)) + 0.05
        self.left, self.right = left, right

    def at(self, value, left):
        """Where a value lies, in a panel that begins at left."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return left + self.left + share * (self.right - self.left)

    def ticks(self):
        steps = (1, 2, 5) if self.high - self.low < 2 else (1,)
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        marks = [step * 10.0**power for power in powers for step in steps]
        return [mark for mark in marks if self.low <= math.log10(mark) <= self.high]


def text(x, y, string, style="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{escape(string)}</text>'


def line(x1, y1, x2, y2, colour, width=1.0, dash=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"'
            + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")


def dot(x, y, colour, hollow=False):
    fill = "white" if hollow else colour
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'


def draw_axis(scale, left, top, bottom):
    parts = []
    for tick in scale.ticks():
        x = scale.at(tick, left)
        parts.append(line(x, top, x, bottom, FAINT))
        parts.append(text(x, bottom + 14, f"{tick:g}", "quiet", "middle"))
    return parts


def draw_tails(figure, x, colour, scale, left, y):
    """Hollow dots for the tails. @return the parts, and where they end"""
    parts, end = [], x
    for value in figure.tails.values():
        tail = scale.at(value, left)
        parts += [line(end, y, tail, y, colour, 1, "1 3"), dot(tail, y, colour, hollow=True)]
        end = tail
    return parts, end


def draw_figure(figure, cell, best, kind, scale, left, y):
    if figure.median is None:
        return [text(left, y + 4, figure.missing, "quiet")]
    colour = COLOURS[kind]
    x, least, most = (scale.at(value, left) for value in (figure.median, figure.least, figure.most))
    tails, end = draw_tails(figure, x, colour, scale, left, y)
    parts = [line(least, y, most, y, colour, 2), dot(x, y, colour, hollow=kind == "ceiling"), *tails]
    ratio = summary.ratio(cell, figure, best)
    label = number(figure.median) + (f"  {ratio:.2f}x" if kind == "kith" and ratio is not None else "")
    return parts + [text(max(end, most) + 9, y + 4, label, "kith" if kind == "kith" else "quiet")]


def draw_panel(report, figures, cell, subjects, scale, left, top):
    first, bottom = top + HEAD, top + HEAD + ROW * len(subjects)
    unit = summary.unit(cell) + (": p50, hollow p99 and p99.9" if cell["kind"] == "latency" else "")
    unit += ", less is better" if summary.less_is_better(cell) else ""
    parts = [text(left, top + 16, cell["name"], "head"), text(left, top + 32, unit, "quiet")]
    parts += draw_axis(scale, left, first, bottom)
    best = summary.best_peer(report, figures, cell)
    if best is not None:
        parts.append(line(scale.at(best, left), first, scale.at(best, left), bottom, QUIET, 1, "4 3"))
    for index, subject in enumerate(subjects):
        figure = figures[cell["name"], subject["name"]]
        parts += draw_figure(figure, cell, best, subject["kind"], scale, left, first + ROW * (index + 0.5))
    return parts


def draw_titles(subjects, top):
    return [text(LEFT - 10, top + HEAD + ROW * (index + 0.5) + 4, subject["title"],
                 "kith" if subject["kind"] == "kith" else "quiet" if subject["kind"] == "ceiling" else "", "end")
            for index, subject in enumerate(subjects)]


def scale_of(figures, cells, subjects, width):
    """One scale for cells of one unit."""
    found = [figures[cell["name"], subject["name"]] for cell in cells for subject in subjects]
    values = [value for figure in found if figure.median is not None
              for value in (figure.least, figure.most, *figure.tails.values()) if value]
    return Scale(values or [1, 10], 0, width - VALUE_ROOM)


def draw_row(report, figures, cells, subjects, top):
    """Panels side by side."""
    width = (WIDTH - LEFT - GAP * (len(cells) - 1) - 10) / len(cells)
    parts = draw_titles(subjects, top)
    for index, cell in enumerate(cells):
        alike = [other for other in cells if summary.unit(other) == summary.unit(cell)]
        scale = scale_of(figures, alike, subjects, width)
        parts += draw_panel(report, figures, cell, subjects, scale, LEFT + index * (width + GAP), top)
    return parts


def subjects_of(report, figures, cells):
    """Those that have a figure in one of the cells."""
    return [subject for subject in report[cells[0]["subjects"]]
            if any(figures[cell["name"], subject["name"]].median is not None for cell in cells)]


def draw_group(report, figures, title, blocks):
    parts = [text(16, 30, title, "title")]
    for index, words in enumerate(machine.lines(report)):
        parts.append(text(16, 50 + 15 * index, words, "quiet"))
    top = TOP
    for cells in blocks:
        subjects = subjects_of(report, figures, cells)
        parts += draw_row(report, figures, cells, subjects, top)
        top += HEAD + ROW * len(subjects) + AXIS + 12
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}">',
        f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{top}" fill="white"/>', *parts, "</svg>", ""])


TITLES = {
    "throughput": "Messages between processes: kith and its peers",
    "large": "Large messages, and messages in place: kith and its peers",
    "latency": "A message to another process, and its answer: kith and its peers",
    "locks": "Locks between processes: kith and its peers",
}


def draw_all(report):
    """{group: the plot as one string} for the groups that were measured."""
    figures = summary.figures(report)
    blocks = summary.blocks(report["cells"])
    plots = {group: [cells for cells in blocks if cells[0]["group"] == group] for group in TITLES}
    return {group: draw_group(report, figures, TITLES[group], found) for group, found in plots.items() if found}
