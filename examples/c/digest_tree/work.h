/* work.h: what the parent and its workers send to each other, and what a worker runs. */
#ifndef DIGEST_TREE_WORK_H
#define DIGEST_TREE_WORK_H

#include "files.h"

#include <kith/queue.h>

/* Files travel in batches: one message for a batch of small files costs less than one message each. A large file has a
 * batch of its own: a worker that meets one among others does not read it and says LARGE, and the parent hands it out
 * again. So nobody needs to know sizes beforehand, and no worker has all the large ones while the others idle. */
enum {
    BATCH_FILES = 64,        /* at most */
    LARGE_FILE = 8 << 20,    /* bytes, from which a file is large */
    PATHS_SIZE = 256 * 1024, /* room for the paths: BATCH_FILES times PATH_MAX, Linux's 4096 */
    LARGE = -1               /* in the place of an errno */
};

/** To a worker: digest these. A message without a byte says: no more. */
struct task {
    uint32_t batch;         /* its number */
    uint32_t count;         /* files */
    char paths[PATHS_SIZE]; /* one behind the other, each ended by a NUL; only what is used is sent */
};

/** What became of a file. */
struct outcome {
    int32_t error; /* 0, an errno, or LARGE */
    unsigned char digest[DIGEST_SIZE];
};

/** From a worker: a whole batch is done; or, when count is 0, how far it is. */
struct result {
    uint32_t batch;
    uint32_t worker;
    uint32_t count;
    uint64_t bytes;                       /* of this batch that were read */
    double seconds;                       /* that it took */
    struct outcome outcomes[BATCH_FILES]; /* in the order of the paths; only count of them are sent */
};

struct worker_argument {
    uint32_t number;
    kith_queue *tasks;
    kith_queue *results;
};

/** A worker's life: takes tasks, sends results, and ends when told to. */
int work(void *worker_argument);

#endif
