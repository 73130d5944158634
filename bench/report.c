/* bench/report.c: see report.h. */
#include "report.h"

#include "reason.h"

#include <inttypes.h>
#include <stdio.h>

#ifndef BENCH_BUILD
#define BENCH_BUILD "unknown"
#endif

static const char *const kinds[] = { [KIND_KITH] = "kith", [KIND_PEER] = "peer", [KIND_CEILING] = "ceiling" };

static void print_string(const char *string)
{
    putchar('"');
    for (const char *c = string; *c; c++) {
        if (*c == '"' || *c == '\\')
            putchar('\\');
        putchar((unsigned char)*c < ' ' ? ' ' : *c);
    }
    putchar('"');
}

/* What ends every measurement's line. */
static void print_cost(const struct cost *cost)
{
    printf(", \"user\": %.6f, \"system\": %.6f, \"waits\": %ld, \"preempted\": %ld}\n", cost->user, cost->system,
           cost->waits, cost->preempted);
}

/* In seconds, and the buckets as "nanoseconds:count ...", by which several histograms can be put together. */
static void print_histogram(const char *name, const struct histogram *histogram)
{
    printf(", \"%s\": {\"least\": %.9f, \"p50\": %.9f, \"p99\": %.9f, \"p999\": %.9f, \"most\": %.9f, \"buckets\": \"",
           name, (double)histogram->least * 1e-9, (double)histogram_quantile(histogram, 0.5) * 1e-9,
           (double)histogram_quantile(histogram, 0.99) * 1e-9, (double)histogram_quantile(histogram, 0.999) * 1e-9,
           (double)histogram->most * 1e-9);
    const char *space = "";
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        if (!histogram->buckets[bucket])
            continue;
        printf("%s%" PRIu64 ":%" PRIu64, space, histogram_value(bucket), histogram->buckets[bucket]);
        space = " ";
    }
    printf("\"}");
}

static void print_transport(const struct known *known)
{
    const struct transport *transport = known->transport;
    printf("{\"name\": \"%s\", \"title\": \"%s\", \"kind\": \"%s\", ", known->name, known->title, kinds[known->kind]);
    printf("\"polls\": %s, \"installed\": %s, \"version\": \"%s\"}", transport && transport->polls ? "true" : "false",
           transport ? "true" : "false", transport && transport->version ? transport->version() : "");
}

void report_about(void)
{
    printf("{\"compiler\": ");
    print_string(__VERSION__);
    printf(", \"build\": ");
    print_string(BENCH_BUILD);
    printf(", \"transports\": [");
    for (const struct known *known = transports; known->name; known++) {
        printf("%s\n", known == transports ? "" : ",");
        print_transport(known);
    }
    printf("\n], \"locks\": [");
    for (const struct known_lock *known = locks; known->name; known++)
        printf("%s\n{\"name\": \"%s\", \"title\": \"%s\", \"kind\": \"%s\", \"polls\": false, \"installed\": true, "
               "\"version\": \"\"}",
               known == locks ? "" : ",", known->name, known->title, kinds[known->kind]);
    printf("\n]}\n");
}

void report_none(int code)
{
    printf("{\"%s\": ", code == CANNOT ? "cannot" : "failed");
    print_string(reason());
    printf("}\n");
}

void report_throughput(const struct throughput *result)
{
    printf("{\"messages\": %" PRIu64 ", \"seconds\": %.9f", result->messages, result->seconds);
    print_cost(&result->cost);
}

void report_latency(const struct latency *result)
{
    printf("{\"rounds\": %" PRIu64 ", \"seconds\": %.9f", result->rounds, result->seconds);
    print_histogram("round_trip", &result->round_trip);
    print_histogram("one_way", &result->one_way);
    print_cost(&result->cost);
}

void report_memory(const struct memory *result)
{
    printf("{\"messages\": %u, ", result->messages);
    printf("\"shared_empty\": %.0f, \"private_empty\": %.0f, \"shared_full\": %.0f, \"private_full\": %.0f, ",
           result->shared_empty, result->private_empty, result->shared_full, result->private_full);
    printf("\"descriptors\": %.2f}\n", result->descriptors);
}

void report_lock(const struct lock_rate *result)
{
    printf("{\"acquisitions\": %" PRIu64 ", \"seconds\": %.9f", result->acquisitions, result->seconds);
    print_cost(&result->cost);
}
