/* bench/transport.h: what carries messages: kith, each of its peers, and the bare ceilings, behind one face.
 *
 * A transport is a table of functions; a channel is one instance of it, made by the parent before the workers are
 * forked. To add a peer: write peers/<name>.c with its table, name it in transports.c, and build it in meson.build
 * when it is installed.
 *
 * The rule that makes the peers equal: a putter hands over a buffer of its own that holds the whole message; a getter
 * ends up with the whole message in memory that is its own until its next get. How many copies lie between is the
 * transport's affair. All messages of a run have one size, which both sides know: transports of bare bytes need no
 * framing, which is the best case for them.
 *
 * Beside put and get a transport may offer many messages a call, and messages that are written or read where they lie.
 * These are measured in cells of their own, where only those who offer the same stand side by side.
 */
#ifndef BENCH_TRANSPORT_H
#define BENCH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Who takes part, and with what. */
struct workload {
    size_t size;       /**< of each message, in bytes; a multiple of 8, at least 16 */
    unsigned putters;  /**< processes, up to WORKERS_MAX together with the getters */
    unsigned getters;  /**< processes */
    unsigned capacity; /**< how many messages a bounded transport holds */
    bool in_turn;      /**< one message at a time: nobody puts the next before this one was got */
};

enum role { ROLE_GETTER, ROLE_PUTTER };

/** Whom a transport is measured for, or against. */
enum kind { KIND_KITH, KIND_PEER, KIND_CEILING };

/** Results other than 0. Both go with a reason: see because() in reason.h. */
enum { FAILED = -1, CANNOT = -2 };

struct transport {
    /** The version of the library behind it; NULL for what the kernel itself offers. */
    const char *(*version)(void);

    /** Makes a channel, in the parent. @return 0; CANNOT when this workload is beyond the transport; FAILED */
    int (*open)(void **channel, const struct workload *workload);
    /** Called by each worker before it uses the channel; putters join when all getters have. NULL: nothing to do.
     *  @param index  counts the workers of a role, from 0. @return 0 or FAILED */
    int (*join)(void *channel, enum role role, unsigned index);
    /** Puts one message, waiting for room. @return 0 or FAILED */
    int (*put)(void *channel, const void *message);
    /** Gets one message, waiting for it.
     *  @param buffer   room for one message
     *  @param message  comes in as buffer; may be set to memory of the transport's own that is valid until the next get
     *  @return the message's length, or FAILED */
    ssize_t (*get)(void *channel, void *buffer, const void **message);
    /** Destroys the channel, in the parent, when all workers have been killed: they leave nothing orderly. */
    void (*close)(void *channel);

    /* What follows is NULL where the transport does not offer it. */

    /** Puts so many messages, which lie one after the other, waiting for room. @return 0 or FAILED */
    int (*put_many)(void *channel, const void *messages, unsigned count);
    /** Gets what is there, but no more than count messages, one after the other into buffer; waits for the first.
     *  @return how many, at least 1; or FAILED */
    int (*get_many)(void *channel, void *buffer, unsigned count);

    /** Makes room for one message in the transport's own memory, waiting for it. @return where, or NULL: failed */
    void *(*reserve)(void *channel);
    /** Puts the message that was written there. @return 0 or FAILED */
    int (*commit)(void *channel, void *message);
    /** Gets one message and leaves it where it lies, waiting for it.
     *  @param message  receives where that is, the getter's until release. @return its length, or FAILED */
    ssize_t (*peek)(void *channel, const void **message);
    /** Gives the place of that message back. @return 0 or FAILED */
    int (*release)(void *channel, const void *message);

    /** Its messages lie in mappings of the processes rather than in the kernel: so what they take can be asked. */
    bool mapped;
    /** Who waits asks again and again, and never sleeps. */
    bool polls;
    /** The most messages that it holds, whatever capacity was asked; 0: the capacity. */
    unsigned most;
};

/** A transport that bench knows of. */
struct known {
    const char *name;  /**< on the command line: "kith-queue" */
    const char *title; /**< in tables */
    enum kind kind;
    const struct transport *transport; /**< NULL: not installed when bench was built */
};

/** All of them, in the order of the tables; ends with a name of NULL. */
extern const struct known transports[];

/** @return the one of that name, or NULL */
const struct known *transport_find(const char *name);

#ifdef __cplusplus
}
#endif

#endif
