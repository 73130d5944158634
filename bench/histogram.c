/* bench/histogram.c: see histogram.h. Values below 2 * STEPS have a bucket each. Above, a value keeps its STEP_BITS + 1
 * highest bits, and those that agree in them share a bucket. */
#include "histogram.h"

#define STEPS ((uint64_t)1 << HISTOGRAM_STEP_BITS)

/* How many of the value's low bits its bucket leaves out. */
static unsigned dropped_bits(uint64_t value)
{
    return value < 2 * STEPS ? 0 : 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
}

static uint64_t bucket_of(uint64_t value)
{
    unsigned dropped = dropped_bits(value);
    return dropped * STEPS + (value >> dropped);
}

uint64_t histogram_value(unsigned bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    uint64_t dropped = bucket / STEPS - 1;
    return ((bucket - dropped * STEPS) << dropped) + (((uint64_t)1 << dropped) - 1) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    if (histogram->count == 0 || value < histogram->least)
        histogram->least = value;
    if (value > histogram->most)
        histogram->most = value;
    histogram->count++;
    histogram->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    if (other->count == 0)
        return;
    if (histogram->count == 0 || other->least < histogram->least)
        histogram->least = other->least;
    if (other->most > histogram->most)
        histogram->most = other->most;
    histogram->count += other->count;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        histogram->buckets[bucket] += other->buckets[bucket];
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
    if (histogram->count == 0)
        return 0;
    double wanted = share * (double)histogram->count;
    uint64_t seen = 0;
    unsigned bucket = 0;
    for (; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > 0 && (double)seen >= wanted)
            break;
    }
    uint64_t value = histogram_value(bucket);
    return value < histogram->least ? histogram->least : value > histogram->most ? histogram->most : value;
}
