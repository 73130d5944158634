"""The plot of a report, as SVG: a row of panels for each size of message and one for round trips.

A dot is a median, the line through it reaches from the least to the most. The scales are logarithmic, since the peers lie up
to a hundred times apart, and the same along a row of panels. The dashed line is the best peer.
"""

import math
from xml.sax.saxutils import escape

import summary
from table import number

WIDTH = 1180
LEFT = 180  # where the panels begin; the transports' titles are before it
GAP = 26
ROW = 20
HEAD = 44  # above a panel's first row: its title
AXIS = 30  # below its last row: ticks
TOP = 96
VALUE_ROOM = 96  # right of the longest mark: the value and the ratio

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
        marks = [step * 10.0**power for power in range(math.floor(self.low), math.ceil(self.high) + 1) for step in steps]
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


def draw_figure(figure, cell, best, kind, scale, left, y):
    if figure.median is None:
        return [text(left + scale.left, y + 4, figure.missing, "quiet")]
    colour = COLOURS[kind]
    x, least, most = (scale.at(value, left) for value in (figure.median, figure.least, figure.most))
    parts = [line(least, y, most, y, colour, 2), dot(x, y, colour, hollow=kind == "ceiling")]
    end = max(most, x)
    if figure.p99 is not None:
        end = scale.at(max(figure.p99, figure.most), left)
        parts += [line(x, y, scale.at(figure.p99, left), y, colour, 1, "1 3"),
                  dot(scale.at(figure.p99, left), y, colour, hollow=True)]
    ratio = summary.ratio(cell, figure, best)
    label = number(figure.median) + (f"  {ratio:.2f}x" if kind == "kith" and ratio is not None else "")
    return parts + [text(end + 9, y + 4, label, "kith" if kind == "kith" else "quiet")]


def draw_panel(report, figures, cell, scale, left, top):
    rows = report["transports"]
    first, bottom = top + HEAD, top + HEAD + ROW * len(rows)
    unit = summary.unit(cell) + (": filled p50, hollow p99" if cell["kind"] == "round-trip" else "")
    parts = [text(left + scale.left, top + 16, cell["name"], "head"), text(left + scale.left, top + 32, unit, "quiet")]
    parts += draw_axis(scale, left, first, bottom)
    best = summary.best_peer(report, figures, cell)
    if best is not None:
        parts.append(line(scale.at(best, left), first, scale.at(best, left), bottom, QUIET, 1, "4 3"))
    for index, transport in enumerate(rows):
        figure = figures[cell["name"], transport["name"]]
        parts += draw_figure(figure, cell, best, transport["kind"], scale, left, first + ROW * (index + 0.5))
    return parts


def draw_titles(transports, top):
    return [text(LEFT - 10, top + HEAD + ROW * (index + 0.5) + 4, transport["title"],
                 "kith" if transport["kind"] == "kith" else "quiet" if transport["kind"] == "ceiling" else "", "end")
            for index, transport in enumerate(transports)]


def draw_row(report, figures, cells, top):
    """Panels side by side, on one scale."""
    found = [figures[cell["name"], transport["name"]] for cell in cells for transport in report["transports"]]
    values = [value for figure in found if figure.median is not None
              for value in (figure.least, figure.most, figure.p99) if value]
    if not values:
        values = [1, 10]
    panels = 1 if cells[0]["kind"] == "round-trip" else len(cells)
    width = (WIDTH - LEFT - GAP * (panels - 1) - 10) / panels
    scale = Scale(values, 0, width - VALUE_ROOM)
    parts = draw_titles(report["transports"], top)
    for index, cell in enumerate(cells):
        parts += draw_panel(report, figures, cell, scale, LEFT + index * (width + GAP), top)
    return parts


def rows_of(cells):
    """The cells by what stands side by side: those of one measurement and one size."""
    rows = {}
    for cell in cells:
        rows.setdefault((cell["kind"], cell["size"]), []).append(cell)
    return list(rows.values())


def draw(report):
    """The whole plot as one string."""
    figures = summary.figures(report)
    rows = rows_of(report["cells"])
    height_of_row = HEAD + ROW * len(report["transports"]) + AXIS + 12
    height = TOP + height_of_row * len(rows)
    parts = [text(16, 30, "Messages between processes: kith and its peers", "title")]
    for index, words in enumerate(summary.machine_lines(report)):
        parts.append(text(16, 50 + 15 * index, words, "quiet"))
    for index, cells in enumerate(rows):
        parts += draw_row(report, figures, cells, TOP + index * height_of_row)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *parts, "</svg>", ""])
