/* bench/measure.h: the measurements. Each makes its channels and its workers, measures once, and leaves nothing behind. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "crew.h"

/** Messages from putters to getters, as fast as they go. */
struct throughput {
    uint64_t messages; /**< in total */
    double seconds;    /**< from the opened gate to the last message got */
    struct cost cost;
};

/** @param messages  in total; rounded up to a multiple of the putters
 *  @param limit     seconds after which the run counts as hung
 *  @return 0, CANNOT or FAILED */
int measure_throughput(const struct transport *transport, const struct workload *workload, uint64_t messages,
                       double limit, struct throughput *result);

/** A message to another process and back: one at a time, over a channel for each way. */
struct round_trip {
    uint64_t rounds;                    /**< measured, after a tenth of that to warm up */
    double seconds;                     /**< all together */
    double p50, p99, p999, least, most; /**< seconds a round */
    struct cost cost;
};

/** @param size      of the message, in bytes
 *  @param capacity  of each channel, in messages
 *  @return 0, CANNOT or FAILED */
int measure_round_trip(const struct transport *transport, size_t size, unsigned capacity, uint64_t rounds, double limit,
                       struct round_trip *result);

#endif
