"""What is measured: the cells. Each is one command of kith-bench, measured on every transport, or on every lock.

A cell's block and column say where it stands in the table, its group in which plot. "first" is the count with which
calibrating begins, and the only one with --quick.
"""

KIBI = 1024
MEBI = 1024 * KIBI
CAPACITY = {64: 1024, 4 * KIBI: 256, 64 * KIBI: 64, MEBI: 16}  # messages that a bounded transport holds
FIRST_MESSAGES = {64: 20000, 4 * KIBI: 5000, 64 * KIBI: 500, MEBI: 60}
BATCH = 32


def size_name(size):
    return f"{size // MEBI} MiB" if size >= MEBI else f"{size // KIBI} KiB" if size >= KIBI else f"{size} B"


def cell(kind, subjects, group, block, column, first, **options):
    return {"name": f"{block} {column}", "kind": kind, "subjects": subjects, "group": group, "block": block,
            "column": column, "first": first, "options": options}


def throughput(size, pairs, block=None, column=None, **more):
    return cell("throughput", "transports", "throughput" if size < 64 * KIBI else "large", block or size_name(size),
                column or f"{pairs}P{pairs}C", FIRST_MESSAGES[size], size=size, putters=pairs, getters=pairs,
                capacity=CAPACITY[size], **more)


def in_place(size, block, manner):
    return {**throughput(size, 1, block, size_name(size), manner=manner), "group": "large"}


def latency(block, first, **more):
    return cell("latency", "transports", "latency", block, "64 B", first, size=64, capacity=CAPACITY[64], **more)


def lock(workers):
    column = "1 process" if workers == 1 else f"{workers} processes"
    return cell("lock", "locks", "locks", "lock, acquire and release", column, 5000, workers=workers)


CELLS = [
    *(throughput(size, pairs) for size in (64, 4 * KIBI, MEBI) for pairs in (1, 2, 4)),
    throughput(64, 8, "64 B, crowded and by batches"),
    throughput(64, 1, "64 B, crowded and by batches", f"x{BATCH} 1P1C", manner="batch", batch=BATCH),
    *(in_place(size, "copied in, read in place", "read-in-place") for size in (64, 64 * KIBI, MEBI)),
    *(in_place(size, "reserve + peek", "in-place") for size in (64, 64 * KIBI, MEBI)),
    latency("latency, busy", 1000),
    latency("latency, asleep", 30, asleep=True),
    *(lock(workers) for workers in (1, 2, 4, 8)),
    cell("memory", "transports", "memory", "memory of a queue", "64 B", 1000, size=64, capacity=CAPACITY[64]),
]
