/* A child's life, from where it knows who it is to its end. */
#ifndef KITH_SRC_PROCESS_LIFE_H
#define KITH_SRC_PROCESS_LIFE_H

#include "process/call.h"
#include "process/settings.h"

struct life {
    kith_process_main main; /* NULL: entry is called */
    void *argument;
    kith_entry *entry;
    struct kith_call call;   /* but for its arena */
    kith_process_fd *copies; /* room for copies of the descriptors that the call has, which are the parent's; or NULL */
    const char *title;       /* what ps is to show; NULL: what it shows */
    struct settings settings;
    struct kith_connection *const *connections; /* which are kept */
    size_t connection_count;
};

/** Flushes stdout and stderr. */
void life_flush(void);

/** Lives it, in a process that has become that of its record. */
_Noreturn void life_lead(struct life *life);

#endif
