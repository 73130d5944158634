/* What is known of a process. */
#ifndef KITH_SRC_PROCESS_RECORD_H
#define KITH_SRC_PROCESS_RECORD_H

#include "process/gate.h"
#include "process/streams.h"

#include <kith/process.h>

#include <stdbool.h>

/** Of the luggage: the file that is packed, and the two ends of a socket. */
enum { LUGGAGE_FILE, LUGGAGE_NEAR, LUGGAGE_FAR, LUGGAGE };

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
    int luggage[LUGGAGE];      /* the same, what its start needs; -1: nothing */
    bool held;                 /* somebody has the handle and will close it */
    bool hidden;               /* the library's own: the program does not see it */
    bool ended;
    bool reaped; /* and the exit code is known */
    int exit_code;
};

/** @return its name, never NULL */
const char *record_name(const struct kith_process *process);

/** Makes an empty record of a process that is not there yet. @return it, or NULL when there is no memory */
struct kith_process *record_new(void);

/** Closes what is open while a child is started: in both processes when it has begun, in others that have a copy. */
void record_close_passing(struct kith_process *process);

/** Frees a record and closes its descriptors. */
void record_free(struct kith_process *process);

#endif
