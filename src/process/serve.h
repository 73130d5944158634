/* What the forkserver does, and says. It is an image like others, with an entry point of the library's own, which is
 * given the name of what it preloads (an empty one: nothing) and the pickle of its arguments, and this descriptor: */
#ifndef KITH_SRC_PROCESS_SERVE_H
#define KITH_SRC_PROCESS_SERVE_H

#include <stdint.h>

/** The socket that it is sent parcels by, and answers by. */
#define SERVE_SOCKET "parcels"

/** Its entry point's name: no function can have it. */
#define SERVE_ENTRY "kith forkserver"

/** What the server says once, when it is ready. */
struct serve_ready {
    int32_t code;     /* 0, or what made it end: what preload returned, or a negative code */
    int32_t threads;  /* how many it has */
    char detail[256]; /* with a code, what preload said of it, or "" */
};

/** What it says for each parcel, when it has closed all that was in it: 0, or a negative code. Which id the child has,
 *  the parcel tells. */
typedef int32_t serve_answer;

#endif
