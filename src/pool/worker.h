/* A worker: a process that claims chunks, calls their function for each item, and reports. */
#ifndef KITH_SRC_POOL_WORKER_H
#define KITH_SRC_POOL_WORKER_H

#include <kith/entry.h>
#include <kith/value.h>

/** The entry point of a worker, registered under WORKER_ENTRY. Its arguments are worker_args; it is handed the
 *  descriptors WORKER_BOARD, WORKER_BELL and WORKER_OUTBOX, and those that the pool's owner named.
 *  @return its exit code: 0 when it has put REPORT_RETIRED; 1 when it has put REPORT_BROKEN, or could not report */
int worker_run(kith_call *call);

#define WORKER_ENTRY "kith pool worker"
#define WORKER_BOARD "kith board"
#define WORKER_BELL "kith bell"
#define WORKER_OUTBOX "kith outbox"
#define WORKER_FDS 3

/** What a worker is told. */
struct worker_settings {
    unsigned number;                    /* of its desk, from 0 */
    unsigned max_tasks;                 /* 0: no such limit */
    kith_entry *initializer;            /* NULL: none, or it goes by name */
    const char *initializer_name;       /* NULL: none */
    const kith_value *initializer_args; /* a tuple; NULL: none */
};

/** @return the tuple of arguments; NULL when there is no memory, or the initializer's nest too deep */
kith_value *worker_args(kith_arena *arena, const struct worker_settings *settings);

#endif
