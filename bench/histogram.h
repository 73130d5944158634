/* bench/histogram.h: how often which time was seen. The buckets grow with the value, so that any number of times from
 * one nanosecond to centuries is kept in little memory, and what comes out is right to a hundredth. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 7 /* each doubling has 128 buckets */
#define HISTOGRAM_BUCKETS ((65 - HISTOGRAM_STEP_BITS) << HISTOGRAM_STEP_BITS)

/** All zero is empty. Plain memory: one writer, and readers when it is done. */
struct histogram {
    uint64_t count;
    uint64_t least, most;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/** Counts one value. */
void histogram_add(struct histogram *histogram, uint64_t value);

/** Counts all that another one has counted. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/** @param share  0 to 1: 0.5 is the median
 *  @return the least value that at least that share of all lies at or below, to a hundredth; 0 when there is none */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

/** The value that a bucket stands for: the one in its middle. */
uint64_t histogram_value(unsigned bucket);

#endif
