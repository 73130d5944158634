"""The table of a report, in plain text: a block for each size of message, a row for each transport."""

import summary

TITLE_WIDTH = 22
COLUMN_WIDTH = 32


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


class Notes:
    """The reasons why there is no figure, numbered as they come."""

    def __init__(self):
        self.texts = []

    def mark(self, text):
        if text not in self.texts:
            self.texts.append(text)
        return f"[{self.texts.index(text) + 1}]"

    def lines(self):
        return [f"[{index + 1}] {text}" for index, text in enumerate(self.texts)]


def missing(figure, notes):
    return figure.missing + (f" {notes.mark(figure.reason)}" if figure.reason else "")


def cell_text(cell, figure, best, notes):
    if figure.median is None:
        return missing(figure, notes)
    ratio = summary.ratio(cell, figure, best)
    text = f"{number(figure.median):>5} ({number(figure.least)} to {number(figure.most)})"
    return f"{text:<23} {ratio:.2f}x" if ratio is not None else text


def throughput_block(report, figures, cells, notes):
    lines = [f"{cells[0]['name'].rsplit(' ', 1)[0]}: {summary.unit(cells[0])}",
             f"{'':<{TITLE_WIDTH}}" + "".join(f"{cell['name'].rsplit(' ', 1)[1]:<{COLUMN_WIDTH}}" for cell in cells)]
    for transport in report["transports"]:
        texts = [cell_text(cell, figures[cell["name"], transport["name"]], summary.best_peer(report, figures, cell), notes)
                 for cell in cells]
        lines.append(f"{title(transport):<{TITLE_WIDTH}}" + "".join(f"{text:<{COLUMN_WIDTH}}" for text in texts))
    return lines


def round_trip_block(report, figures, cell, notes):
    best = summary.best_peer(report, figures, cell)
    lines = [f"{cell['name']}: {summary.unit(cell)}", f"{'':<{TITLE_WIDTH}}{'p50':<{COLUMN_WIDTH}}p99"]
    for transport in report["transports"]:
        figure = figures[cell["name"], transport["name"]]
        p99 = number(figure.p99) if figure.p99 is not None else ""
        lines.append(f"{title(transport):<{TITLE_WIDTH}}{cell_text(cell, figure, best, notes):<{COLUMN_WIDTH}}{p99}")
    return lines


def title(transport):
    return transport["title"] + (" *" if transport["kind"] == "ceiling" else "")


def blocks(report, figures, notes):
    sizes = list(dict.fromkeys(cell["size"] for cell in report["cells"] if cell["kind"] == "throughput"))
    for size in sizes:
        yield throughput_block(report, figures, [cell for cell in report["cells"]
                                                 if cell["kind"] == "throughput" and cell["size"] == size], notes)
    for cell in report["cells"]:
        if cell["kind"] == "round-trip":
            yield round_trip_block(report, figures, cell, notes)


def draw(report):
    """The whole table as one string."""
    figures = summary.figures(report)
    notes = Notes()
    lines = summary.machine_lines(report) + [
        "",
        "Median (least to most), and how many times as good as the best peer: above 1 is better.",
        "nPnC: n putting and n getting processes. *: a ceiling without sleeping or crash safety, not a peer.",
        "Each process is kept on one CPU, getters and putters in turn over the CPUs, so that the two of 1P1C have one each.",
    ]
    for block in blocks(report, figures, notes):
        lines += [""] + block
    if notes.texts:
        lines += [""] + notes.lines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
