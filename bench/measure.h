/* bench/measure.h: the measurements. Each makes its channels and its workers, measures once, and leaves nothing behind.
 * All return 0, CANNOT or FAILED, the latter two with a reason. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "crew.h"
#include "histogram.h"
#include "lock.h"
#include "manner.h"

/** Messages from putters to getters, as fast as they go. */
struct throughput {
    uint64_t messages; /**< in total */
    double seconds;    /**< from the opened gate to the last message got */
    struct cost cost;
};

/** @param batch     messages a call, where the manner has several
 *  @param messages  in total; rounded up to a multiple of the putters
 *  @param limit     seconds after which the run counts as hung */
int measure_throughput(const struct transport *transport, const struct workload *workload, const struct manner *manner,
                       unsigned batch, uint64_t messages, double limit, struct throughput *result);

/** A message to another process, and its answer: one at a time, over a channel for each way. */
struct latency {
    uint64_t rounds;             /**< measured, after a tenth of that to warm up */
    double seconds;              /**< all together, naps included */
    struct histogram round_trip; /**< nanoseconds from the request put to the answer got, less the answerer's nap */
    struct histogram one_way;    /**< nanoseconds from the request put to the request got */
    struct cost cost;
};

/** @param asleep    each side naps until the other is asleep, so that every message has to wake somebody; otherwise
 *                   the two answer each other as fast as they can
 *  @param size      of the message, in bytes; at least LATENCY_SIZE_MIN
 *  @param capacity  of each channel, in messages */
int measure_latency(const struct transport *transport, bool asleep, size_t size, unsigned capacity, uint64_t rounds,
                    double limit, struct latency *result);

#define LATENCY_SIZE_MIN 32

/** What one queue takes. Bytes that this process has mapped and touched. */
struct memory {
    unsigned messages; /**< that made it full */
    double shared_empty, private_empty;
    double shared_full, private_full; /**< with the messages in it */
    double descriptors;
};

/** @param messages  how many make it full, at most workload->capacity; fewer when the transport holds no more */
int measure_memory(const struct transport *transport, const struct workload *workload, unsigned messages,
                   struct memory *result);

/** A lock taken and given back again and again by all workers, with a counter in its care. */
struct lock_rate {
    uint64_t acquisitions; /**< in total */
    double seconds;        /**< from the opened gate to the last of them */
    struct cost cost;
};

/** @param workers  processes; with one nobody contends */
int measure_lock(const struct lock *lock, unsigned workers, uint64_t acquisitions, double limit,
                 struct lock_rate *result);

#endif
