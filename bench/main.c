/* bench/main.c: the program kith-bench: one measurement a call, one line of JSON on stdout. What to measure, how often, and
 * what it means is run.py's business, which calls this: so every measurement begins with fresh processes and fresh kernel
 * objects, and one that fails takes nothing else along.
 *
 *   kith-bench about
 *   kith-bench throughput TRANSPORT [--size N] [--putters N] [--getters N] [--capacity N] [--messages N] [--limit SECONDS]
 *   kith-bench round-trip TRANSPORT [--size N] [--capacity N] [--rounds N] [--limit SECONDS]
 *
 * The exit status is 0 when there is a line, also one that says why there is no result; 2 for bad usage.
 */
#include "measure.h"

#include "reason.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#ifndef BENCH_BUILD
#define BENCH_BUILD "unknown"
#endif

struct arguments {
    struct workload workload;
    uint64_t messages; /* or rounds */
    double limit;
};

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

static void print_cost(const struct cost *cost)
{
    printf("\"user\": %.6f, \"system\": %.6f, \"waits\": %ld, \"preempted\": %ld", cost->user, cost->system,
           cost->waits, cost->preempted);
}

static void print_no_result(int code)
{
    printf("{\"%s\": ", code == CANNOT ? "cannot" : "failed");
    print_string(reason());
    printf("}\n");
}

static void measure_throughput_and_print(const struct transport *transport, const struct arguments *arguments)
{
    struct throughput result = { .messages = 0 };
    int code = measure_throughput(transport, &arguments->workload, arguments->messages, arguments->limit, &result);
    if (code < 0) {
        print_no_result(code);
        return;
    }
    printf("{\"messages\": %" PRIu64 ", \"seconds\": %.9f, ", result.messages, result.seconds);
    print_cost(&result.cost);
    printf("}\n");
}

static void measure_round_trip_and_print(const struct transport *transport, const struct arguments *arguments)
{
    struct round_trip result = { .rounds = 0 };
    int code = measure_round_trip(transport, arguments->workload.size, arguments->workload.capacity,
                                  arguments->messages, arguments->limit, &result);
    if (code < 0) {
        print_no_result(code);
        return;
    }
    printf("{\"rounds\": %" PRIu64 ", \"seconds\": %.9f, \"p50\": %.9f, \"p99\": %.9f, \"p999\": %.9f, ", result.rounds,
           result.seconds, result.p50, result.p99, result.p999);
    printf("\"least\": %.9f, \"most\": %.9f, ", result.least, result.most);
    print_cost(&result.cost);
    printf("}\n");
}

static void print_about(void)
{
    static const char *const kinds[] = { [KIND_KITH] = "kith", [KIND_PEER] = "peer", [KIND_CEILING] = "ceiling" };
    printf("{\"compiler\": ");
    print_string(__VERSION__);
    printf(", \"build\": ");
    print_string(BENCH_BUILD);
    printf(", \"transports\": [");
    for (const struct known *known = transports; known->name; known++) {
        const struct transport *transport = known->transport;
        printf("%s\n{\"name\": \"%s\", \"title\": \"%s\", \"kind\": \"%s\", ", known == transports ? "" : ",",
               known->name, known->title, kinds[known->kind]);
        printf("\"installed\": %s, \"version\": \"%s\"}", transport ? "true" : "false",
               transport && transport->version ? transport->version() : "");
    }
    printf("\n]}\n");
}

static _Noreturn void complain(const char *message)
{
    fprintf(stderr, "kith-bench: %s\n", message);
    exit(2);
}

static uint64_t parse_number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*end || end == text || number < least || number > most) {
        fprintf(stderr, "kith-bench: '%s' is not a number from %" PRIu64 " to %" PRIu64 "\n", text, least, most);
        exit(2);
    }
    return number;
}

static struct arguments parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "size", required_argument, NULL, 's' },     { "putters", required_argument, NULL, 'p' },
        { "getters", required_argument, NULL, 'g' },  { "capacity", required_argument, NULL, 'c' },
        { "messages", required_argument, NULL, 'm' }, { "rounds", required_argument, NULL, 'm' },
        { "limit", required_argument, NULL, 'l' },    { NULL, 0, NULL, 0 },
    };
    struct arguments arguments = { .workload = { .size = 64, .putters = 1, .getters = 1, .capacity = 1024 },
                                   .messages = 100000,
                                   .limit = 10 };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            arguments.workload.size = (size_t)parse_number(optarg, 16, (uint64_t)1 << 30);
            break;
        case 'p':
            arguments.workload.putters = (unsigned)parse_number(optarg, 1, WORKERS_MAX / 2);
            break;
        case 'g':
            arguments.workload.getters = (unsigned)parse_number(optarg, 1, WORKERS_MAX / 2);
            break;
        case 'c':
            arguments.workload.capacity = (unsigned)parse_number(optarg, 1, 1u << 24);
            break;
        case 'm':
            arguments.messages = parse_number(optarg, 1, (uint64_t)1 << 34);
            break;
        case 'l':
            arguments.limit = (double)parse_number(optarg, 1, 3600);
            break;
        default:
            exit(2);
        }
    }
    if (arguments.workload.size % 8 != 0)
        complain("the size must be a multiple of 8");
    if (optind < argc)
        complain("too many arguments");
    return arguments;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "about") == 0) {
        print_about();
        return 0;
    }
    if (argc < 3)
        complain("usage: kith-bench about | throughput TRANSPORT [options] | round-trip TRANSPORT [options]");
    const struct known *known = transport_find(argv[2]);
    if (!known || !known->transport)
        complain(known ? "this transport was not installed when bench was built" : "no such transport");
    struct arguments arguments = parse_options(argc - 2, argv + 2);
    if (reason_init() < 0)
        complain("no shared memory");
    prctl(PR_SET_TIMERSLACK, 1000UL); /* the parent's naps end when they should; 50 us late is the default */
    crew_catch_signals();
    if (strcmp(argv[1], "throughput") == 0)
        measure_throughput_and_print(known->transport, &arguments);
    else if (strcmp(argv[1], "round-trip") == 0)
        measure_round_trip_and_print(known->transport, &arguments);
    else
        complain("no such measurement");
    return 0;
}
