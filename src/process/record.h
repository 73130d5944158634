/* What is known of a process. */
#ifndef KITH_SRC_PROCESS_RECORD_H
#define KITH_SRC_PROCESS_RECORD_H

#include "process/gate.h"
#include "process/streams.h"

#include <kith/process.h>

#include <stdbool.h>

struct kith_process {
    char *name; /* NULL: "MainProcess" */
    char *path; /* its place in the family: "2" is the first process's second child, "2:1" whose first; NULL: none */
    pid_t pid;  /* 0: not started yet */
    pid_t parent_pid; /* 0: not known */
    bool daemon;
    int sentinel;        /* -1: none */
    unsigned generation; /* forks_generation of the process that wrote this */

    /* Only of children, and under forks_block. */
    struct kith_process *next; /* the child that was started after it; in process_self, see there */
    struct gate gate;          /* where it waits until it is written down */
    int report[2];             /* while it is started: what it tells of its settings by; -1: nothing */
    struct streams streams;    /* the same, of its standard streams */
    bool held;                 /* somebody outside the library has the handle and will close it */
    bool ended;
    bool reaped; /* and the exit code is known */
    int exit_code;
};

/** @return its name, never NULL */
const char *record_name(const struct kith_process *process);

/** Closes what is open while a child is started: in both processes when it has begun, in others that have a copy. */
void record_close_passing(struct kith_process *process);

/** Frees a record and closes its descriptors. */
void record_free(struct kith_process *process);

#endif
