"""What the samples of a report come to: a median with its least and most a cell and transport, and who is best.

Shared by the table and the plot, so that they can't differ.
"""

import statistics

# kind and size of message -> unit, and how a sample is told in it
GIGA = 1e9
BYTES_FROM = 64 * 1024  # longer messages are told in bytes a second, shorter ones in messages


class Figure:
    """One cell on one transport: either median, least and most (and p99 for round trips), or why there is none."""

    def __init__(self, cell, samples, installed):
        self.median = self.least = self.most = self.p99 = None
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
        if cell["kind"] == "round-trip":
            self.p99 = statistics.median(sample["p99"] * 1e6 for sample in samples)


def value(cell, sample):
    """A sample in the cell's unit."""
    if cell["kind"] == "round-trip":
        return sample["p50"] * 1e6
    rate = sample["messages"] / sample["seconds"]
    return rate * cell["size"] / GIGA if cell["size"] >= BYTES_FROM else rate / 1e6


def unit(cell):
    if cell["kind"] == "round-trip":
        return "microseconds"
    return "GB/s" if cell["size"] >= BYTES_FROM else "million messages/s"


def less_is_better(cell):
    return cell["kind"] == "round-trip"


def figures(report):
    """{(cell name, transport name): Figure} for all cells and transports of a report."""
    samples = {(result["cell"], result["transport"]): result["samples"] for result in report["results"]}
    return {
        (cell["name"], transport["name"]): Figure(cell, samples.get((cell["name"], transport["name"]), []),
                                                  transport["installed"])
        for cell in report["cells"] for transport in report["transports"]
    }


def best_peer(report, all_figures, cell):
    """The best median among the peers, which kith and the ceilings are not. None when there is none."""
    medians = [all_figures[cell["name"], transport["name"]].median
               for transport in report["transports"] if transport["kind"] == "peer"]
    medians = [median for median in medians if median is not None]
    if not medians:
        return None
    return min(medians) if less_is_better(cell) else max(medians)


def ratio(cell, figure, best):
    """How many times as good as the best peer: above 1 is better, whatever the unit. None when it can't be told."""
    if figure.median is None or best is None:
        return None
    return best / figure.median if less_is_better(cell) else figure.median / best


def machine_lines(report):
    """The machine and the peers in a few lines."""
    machine, settings = report["machine"], report["settings"]
    versions = ", ".join(f"{transport['title']} {transport['version']}" for transport in report["transports"]
                         if transport["version"])
    repetitions = "one repetition" if settings["repetitions"] == 1 else f"{settings['repetitions']} repetitions"
    return [
        f"{machine['cpu']}, {machine['cores']} cores; {machine['system']}, Linux {machine['kernel']}; "
        f"compiler {machine['compiler']}, {machine['build']}",
        versions,
        f"{machine['date']}; {repetitions}; load average {machine['load_before']:.2f} before"
        + ("; quick: these timings mean nothing" if settings["quick"] else ""),
    ]
