"""What the samples of a report come to: a median with its least and most for each cell and subject (a transport or a
lock), and how it stands to others. Shared by the table, the plots and the JSON, so that they can't differ.
"""

import statistics

GIGA = 1e9
BYTES_FROM = 64 * 1024  # longer messages are told in bytes a second, shorter ones in messages
PARTS = {"round_trip": "round trip", "one_way": "one way"}  # of a sample of latencies

# Whom else kith is measured against, beside the best peer, if it was measured.
REFERENCES = {"transports": ["boost", "vyukov"], "locks": ["pthread-robust", "spin"]}


def shown(cells):
    """The cells as they are shown: one of latencies makes two. Memory has a table of its own."""
    for cell in cells:
        if cell["kind"] == "latency":
            for part, title in PARTS.items():
                name = f"{cell['name']} {title}"
                yield {**cell, "measured": cell["name"], "name": name, "column": title, "part": part}
        elif cell["kind"] != "memory":
            yield {**cell, "measured": cell["name"]}


def blocks(cells):
    """The shown cells by their block: a list of lists."""
    found = {}
    for cell in shown(cells):
        found.setdefault(cell["block"], []).append(cell)
    return list(found.values())


class Figure:
    """One shown cell on one subject: either median, least and most, or why there is none."""

    def __init__(self, cell, samples, installed):
        self.median = self.least = self.most = None
        self.tails = {}  # of latencies, from the rounds of all samples: "p99" and "p99.9", if there are enough to tell
        self.missing = None  # in a word
        self.reason = None  # in a sentence
        failed = [sample for sample in samples if "failed" in sample]
        refused = [sample for sample in samples if "cannot" in sample]
        if not installed:
            self.missing = "not installed"
        elif failed:
            self.missing, self.reason = "failed", failed[0]["failed"]
        elif refused:
            self.missing, self.reason = "n/a", refused[0]["cannot"]
        elif samples:
            self._sum_up(cell, samples)
        else:
            self.missing = "not measured"

    def _sum_up(self, cell, samples):
        values = [value(cell, sample) for sample in samples]
        self.median, self.least, self.most = statistics.median(values), min(values), max(values)
        if cell["kind"] == "latency":
            self.tails = tails([sample[cell["part"]]["buckets"] for sample in samples])


def tails(histograms):
    """What 99 and 99.9 of a hundred rounds don't exceed, in microseconds.
    @param histograms: their buckets, as kith-bench tells them
    """
    counts = {}
    for histogram in histograms:
        for bucket in histogram.split():
            value, count = map(int, bucket.split(":"))
            counts[value] = counts.get(value, 0) + count
    total = sum(counts.values())
    return {name: quantile(counts, total * share) / 1000
            for name, share, rounds in (("p99", 0.99, 100), ("p99.9", 0.999, 1000)) if total >= rounds}


def quantile(counts, wanted):
    """The least value that at least so many lie at or below. @param counts: {value: how many}"""
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            break
    return value


def is_told_in_bytes(cell):
    """Where nothing is copied, bytes a second would tell nothing."""
    return cell["options"]["size"] >= BYTES_FROM and cell["options"].get("manner") != "in-place"


def value(cell, sample):
    """A sample in the cell's unit."""
    if cell["kind"] == "latency":
        return sample[cell["part"]]["p50"] * 1e6
    if cell["kind"] == "lock":
        each = sample["seconds"] / sample["acquisitions"]
        return each * 1e9 if cell["options"]["workers"] == 1 else 1e-6 / each
    rate = sample["messages"] / sample["seconds"]
    return rate * cell["options"]["size"] / GIGA if is_told_in_bytes(cell) else rate / 1e6


def unit(cell):
    if cell["kind"] == "latency":
        return "us"
    if cell["kind"] == "lock":
        return "ns" if cell["options"]["workers"] == 1 else "M/s"
    return "GB/s" if is_told_in_bytes(cell) else "M messages/s"


def less_is_better(cell):
    return unit(cell) in ("us", "ns")


def figures(report):
    """{(shown cell's name, subject's name): Figure} for all cells and subjects of a report."""
    samples = {(result["cell"], result["subject"]): result["samples"] for result in report["results"]}
    return {
        (cell["name"], subject["name"]): Figure(cell, samples.get((cell["measured"], subject["name"]), []),
                                                subject["installed"])
        for cell in shown(report["cells"]) for subject in report[cell["subjects"]]
    }


def best_peer(report, all_figures, cell):
    """The best median among the peers, which kith and the ceilings are not. None when there is none.

    Where sleepers are woken, peers that never sleep are out of the race.
    """
    medians = [all_figures[cell["name"], subject["name"]].median for subject in report[cell["subjects"]]
               if subject["kind"] == "peer" and not (subject["polls"] and cell["options"].get("asleep"))]
    medians = [median for median in medians if median is not None]
    if not medians:
        return None
    return min(medians) if less_is_better(cell) else max(medians)


def ratio(cell, figure, other):
    """How many times as good as another median: above 1 is better, whatever the unit. None when it can't be told."""
    if figure.median is None or other is None:
        return None
    return other / figure.median if less_is_better(cell) else figure.median / other


def ratios(report, all_figures, cell, subject):
    """{whom against: ratio} of one subject in one shown cell."""
    figure = all_figures[cell["name"], subject["name"]]
    others = {"best peer": best_peer(report, all_figures, cell)}
    for other in report[cell["subjects"]]:
        if other["name"] in REFERENCES[cell["subjects"]]:
            others[other["title"]] = all_figures[cell["name"], other["name"]].median
    found = {name: ratio(cell, figure, median) for name, median in others.items()}
    return {name: times for name, times in found.items() if times is not None}


def as_json(report):
    """All figures, in words that need no knowledge of the samples."""
    all_figures = figures(report)
    rows = []
    for cell in shown(report["cells"]):
        for subject in report[cell["subjects"]]:
            figure = all_figures[cell["name"], subject["name"]]
            row = {"cell": cell["name"], "subject": subject["name"], "unit": unit(cell), "median": figure.median,
                   "least": figure.least, "most": figure.most, **figure.tails,
                   "times as good as": ratios(report, all_figures, cell, subject)}
            if figure.median is not None:
                rows.append(row)
    return rows
