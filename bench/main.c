/* bench/main.c: the program kith-bench: one measurement a call, one line of JSON on stdout. What to measure, how
 * often, and what it means is run.py's business, which calls this: so every measurement begins with fresh processes
 * and fresh kernel objects, and one that fails takes nothing else along.
 *
 *   kith-bench about
 *   kith-bench throughput TRANSPORT [--size N] [--putters N] [--getters N] [--capacity N] [--count N] [--limit SECONDS]
 *                                   [--manner copy|batch|read-in-place|in-place] [--batch N]
 *   kith-bench latency TRANSPORT [--asleep] [--size N] [--capacity N] [--count N] [--limit SECONDS]
 *   kith-bench memory TRANSPORT [--size N] [--capacity N] [--count N]
 *   kith-bench lock LOCK [--workers N] [--count N] [--limit SECONDS]
 *
 * The count is of messages, rounds, or acquisitions. The exit status is 0 when there is a line, also one that says why
 * there is no result; 2 for bad usage.
 */
#include "reason.h"
#include "report.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

struct arguments {
    struct workload workload;
    const struct manner *manner;
    unsigned batch;
    unsigned workers;
    bool asleep;
    uint64_t count;
    double limit;
};

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

static void parse_option(struct arguments *arguments, int option)
{
    switch (option) {
    case 's':
        arguments->workload.size = (size_t)parse_number(optarg, 16, (uint64_t)1 << 30);
        break;
    case 'p':
        arguments->workload.putters = (unsigned)parse_number(optarg, 1, WORKERS_MAX / 2);
        break;
    case 'g':
        arguments->workload.getters = (unsigned)parse_number(optarg, 1, WORKERS_MAX / 2);
        break;
    case 'c':
        arguments->workload.capacity = (unsigned)parse_number(optarg, 1, 1u << 24);
        break;
    case 'm':
        arguments->manner = manner_find(optarg);
        break;
    case 'b':
        arguments->batch = (unsigned)parse_number(optarg, 1, 4096);
        break;
    case 'w':
        arguments->workers = (unsigned)parse_number(optarg, 1, WORKERS_MAX);
        break;
    case 'a':
        arguments->asleep = true;
        break;
    case 'n':
        arguments->count = parse_number(optarg, 1, (uint64_t)1 << 34);
        break;
    case 'l':
        arguments->limit = (double)parse_number(optarg, 1, 3600);
        break;
    default:
        exit(2);
    }
}

static struct arguments parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "size", required_argument, NULL, 's' },
        { "putters", required_argument, NULL, 'p' },
        { "getters", required_argument, NULL, 'g' },
        { "capacity", required_argument, NULL, 'c' },
        { "manner", required_argument, NULL, 'm' },
        { "batch", required_argument, NULL, 'b' },
        { "workers", required_argument, NULL, 'w' },
        { "asleep", no_argument, NULL, 'a' },
        { "count", required_argument, NULL, 'n' },
        { "limit", required_argument, NULL, 'l' },
        { NULL, 0, NULL, 0 },
    };
    struct arguments arguments = { .workload = { .size = 64, .putters = 1, .getters = 1, .capacity = 1024 },
                                   .manner = manner_find("copy"),
                                   .batch = 1,
                                   .workers = 1,
                                   .count = 1000,
                                   .limit = 10 };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        parse_option(&arguments, option);
    if (arguments.workload.size % 8 != 0)
        complain("the size must be a multiple of 8");
    if (!arguments.manner)
        complain("no such manner");
    if (optind < argc)
        complain("too many arguments");
    return arguments;
}

/* ---- the commands ---- */

static int throughput(const struct transport *transport, const struct arguments *arguments)
{
    struct throughput result = { .messages = 0 };
    int code = measure_throughput(transport, &arguments->workload, arguments->manner, arguments->batch,
                                  arguments->count, arguments->limit, &result);
    if (code == 0)
        report_throughput(&result);
    return code;
}

static int latency(const struct transport *transport, const struct arguments *arguments)
{
    if (arguments->workload.size < LATENCY_SIZE_MIN)
        complain("the size is too small for latencies");
    static struct latency result; /* static: it is large */
    int code = measure_latency(transport, arguments->asleep, arguments->workload.size, arguments->workload.capacity,
                               arguments->count, arguments->limit, &result);
    if (code == 0)
        report_latency(&result);
    return code;
}

static int memory(const struct transport *transport, const struct arguments *arguments)
{
    if (arguments->count > arguments->workload.capacity)
        complain("the queue does not hold so many messages");
    struct memory result;
    int code = measure_memory(transport, &arguments->workload, (unsigned)arguments->count, &result);
    if (code == 0)
        report_memory(&result);
    return code;
}

static int lock(const struct lock *lock, const struct arguments *arguments)
{
    struct lock_rate result = { .acquisitions = 0 };
    int code = measure_lock(lock, arguments->workers, arguments->count, arguments->limit, &result);
    if (code == 0)
        report_lock(&result);
    return code;
}

static int measure_transport(const char *command, const char *name, const struct arguments *arguments)
{
    const struct known *known = transport_find(name);
    if (!known || !known->transport)
        complain(known ? "this transport was not installed when bench was built" : "no such transport");
    if (strcmp(command, "throughput") == 0)
        return throughput(known->transport, arguments);
    if (strcmp(command, "latency") == 0)
        return latency(known->transport, arguments);
    if (strcmp(command, "memory") == 0)
        return memory(known->transport, arguments);
    complain("no such measurement");
}

static int measure(const char *command, const char *name, const struct arguments *arguments)
{
    if (strcmp(command, "lock") != 0)
        return measure_transport(command, name, arguments);
    const struct known_lock *known = lock_find(name);
    if (!known)
        complain("no such lock");
    return lock(known->lock, arguments);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "about") == 0) {
        report_about();
        return 0;
    }
    if (argc < 3)
        complain("usage: kith-bench about | throughput|latency|memory TRANSPORT [options] | lock LOCK [options]");
    struct arguments arguments = parse_options(argc - 2, argv + 2);
    if (reason_init() < 0)
        complain("no shared memory");
    prctl(PR_SET_TIMERSLACK, 1000UL); /* naps end when they should; 50 us late is the default */
    crew_catch_signals();
    int code = measure(argv[1], argv[2], &arguments);
    if (code < 0)
        report_none(code);
    return 0;
}
