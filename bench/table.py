"""The table of a report, in plain text: a block for what belongs together, a row for each transport or lock."""

import machine
import summary

TITLE_WIDTH = 32
COLUMN_WIDTH = 32
TAIL_WIDTH = 26  # more, where there are tails


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


def title(subject):
    return subject["title"] + (" *" if subject["kind"] == "ceiling" else "")


def row(first, texts, width):
    return f"{first:<{TITLE_WIDTH}}" + "".join(f"{text:<{width}}" for text in texts)


def cell_text(cell, figure, best, notes):
    if figure.median is None:
        return missing(figure, notes)
    ratio = summary.ratio(cell, figure, best)
    text = f"{number(figure.median):>5} ({number(figure.least)} to {number(figure.most)})"
    text = f"{text:<23} {ratio:.2f}x" if ratio is not None else text
    tails = ", ".join(f"{name} {number(value)}" for name, value in figure.tails.items())
    return f"{text:<{COLUMN_WIDTH}}{tails}" if tails else text


def left_out_lines(left_out):
    """Who has no row, by the reason. @param left_out: pairs of a reason and a title"""
    titles = {}
    for why, who in left_out:
        titles.setdefault(why, []).append(who)
    return [f"  {why}: {', '.join(found)}" for why, found in titles.items()]


def against_lines(report, figures, cells, width):
    """How kith's first stands to those whom one asks for by name."""
    first = report[cells[0]["subjects"]][0]
    if first["kind"] != "kith":
        return []
    found = [summary.ratios(report, figures, cell, first) for cell in cells]
    names = [name for name in dict.fromkeys(name for ratios in found for name in ratios) if name != "best peer"]
    texts = {name: [f"{'':<23} {ratios[name]:.2f}x" if name in ratios else "" for ratios in found] for name in names}
    return [row(f"  against {name}", texts[name], width) for name in names]


def block_lines(report, figures, cells, notes):
    width = COLUMN_WIDTH + (TAIL_WIDTH if cells[0]["kind"] == "latency" else 0)
    lines = [cells[0]["block"], row("", [f"{cell['column']}: {summary.unit(cell)}" for cell in cells], width)]
    left_out = []
    for subject in report[cells[0]["subjects"]]:
        found = [figures[cell["name"], subject["name"]] for cell in cells]
        if any(figure.median is not None or figure.missing == "failed" for figure in found):
            texts = [cell_text(cell, figure, summary.best_peer(report, figures, cell), notes)
                     for cell, figure in zip(cells, found)]
            lines.append(row(title(subject), texts, width))
        else:
            left_out.append((missing(found[0], notes), subject["title"]))
    return lines + against_lines(report, figures, cells, width) + left_out_lines(left_out)


# ---- memory ----


def kibibytes(value):
    return f"{value / 1024:.1f}"


def memory_lines(report, cell, notes):
    """Bytes and descriptors of a queue, from the last sample of each transport."""
    lines = ["memory of one queue: KiB, shared + private",
             row("", ["empty", f"with {cell['first']} messages of 64 B", "descriptors"], COLUMN_WIDTH)]
    results = {result["subject"]: result["samples"] for result in report["results"] if result["cell"] == cell["name"]}
    left_out = []
    for subject in report["transports"]:
        samples = results.get(subject["name"])
        if not samples:
            continue
        sample = samples[-1]
        if "messages" not in sample:
            left_out.append(("n/a " + notes.mark(sample.get("cannot") or sample["failed"]), subject["title"]))
            continue
        texts = [f"{kibibytes(sample['shared_' + state])} + {kibibytes(sample['private_' + state])}"
                 for state in ("empty", "full")]
        if sample["messages"] < cell["first"]:
            texts[1] += f" ({sample['messages']}: holds no more)"
        lines.append(row(title(subject), [*texts, f"{sample['descriptors']:g}"], COLUMN_WIDTH))
    return lines + left_out_lines(left_out)


def draw(report):
    """The whole table as one string."""
    figures = summary.figures(report)
    notes = Notes()
    lines = machine.lines(report) + [
        "",
        "Median (least to most), and how many times as good as the best peer: above 1 is better.",
        "nPnC: n putting and n getting processes. *: a ceiling without sleeping or crash safety, not a peer.",
        "Each process is kept on one CPU, in turn over the CPUs, so that the two of 1P1C have one each.",
        "Latencies: p50 as all medians here; p99 and p99.9 of the rounds of all repetitions together.",
        "Asleep: the best peer is the best of those that sleep; who is polled, and most ceilings, never do.",
        "By batches: who has no call for several messages puts and gets them one by one.",
        "In place: of each message only the first and the last word are written or read, besides what is copied.",
    ]
    for cells in summary.blocks(report["cells"]):
        lines += [""] + block_lines(report, figures, cells, notes)
    for cell in report["cells"]:
        if cell["kind"] == "memory":
            lines += [""] + memory_lines(report, cell, notes)
    if notes.texts:
        lines += [""] + notes.lines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
