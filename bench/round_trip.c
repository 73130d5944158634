/* bench/round_trip.c: how long a message takes to another process and back. One process sends and waits for the echo, the
 * other one echoes. Neither is bound to a processor: what the scheduler makes of the two is part of the answer. */
#include "measure.h"

#include "message.h"
#include "reason.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { THERE, BACK };

struct run {
    const struct transport *transport;
    struct workload workload; /* of each channel */
    void *channels[2];
    uint64_t warm_up;
    uint64_t rounds;
    double *times; /* of each round, in seconds; shared, written by the caller, read by the parent */
};

static int join(const struct run *run, int way, enum role role)
{
    return run->transport->join ? run->transport->join(run->channels[way], role, 0) : 0;
}

static int get(const struct run *run, int way, struct expectation *expected, void *buffer)
{
    const void *message = buffer;
    uint64_t stamp;
    ssize_t size = run->transport->get(run->channels[way], buffer, &message);
    if (size < 0)
        return FAILED;
    return message_check(expected, message, (size_t)size, &stamp);
}

static int put(const struct run *run, int way, void *message, uint64_t number)
{
    message_stamp(message, run->workload.size, 0, number);
    return run->transport->put(run->channels[way], message);
}

/* Getters join before putters, so each of the two joins the way that it gets from, waits for the other one to have done so,
 * and then joins the way that it puts on. */
static int prepare(struct crew *crew, const struct run *run, int from, int to)
{
    if (join(run, from, ROLE_GETTER) < 0)
        return FAILED;
    crew_pass_gate(crew);
    return join(run, to, ROLE_PUTTER);
}

static int work_as_caller(struct crew *crew, unsigned index, void *argument)
{
    (void)index;
    const struct run *run = argument;
    struct expectation expected = { .size = run->workload.size, .putters = 1 };
    void *message = message_new(run->workload.size);
    void *buffer = message_new(run->workload.size);
    if (!message || !buffer)
        return because(FAILED, "no memory for a message");
    if (prepare(crew, run, BACK, THERE) < 0)
        return FAILED;
    for (uint64_t number = 0; number < run->warm_up + run->rounds; number++) {
        double start = now();
        if (put(run, THERE, message, number) < 0 || get(run, BACK, &expected, buffer) < 0)
            return FAILED;
        if (number >= run->warm_up)
            run->times[number - run->warm_up] = now() - start;
    }
    return 0;
}

static int work_as_echo(struct crew *crew, unsigned index, void *argument)
{
    (void)index;
    const struct run *run = argument;
    struct expectation expected = { .size = run->workload.size, .putters = 1 };
    void *message = message_new(run->workload.size);
    void *buffer = message_new(run->workload.size);
    if (!message || !buffer)
        return because(FAILED, "no memory for a message");
    if (prepare(crew, run, THERE, BACK) < 0)
        return FAILED;
    for (uint64_t number = 0; number < run->warm_up + run->rounds; number++)
        if (get(run, THERE, &expected, buffer) < 0 || put(run, BACK, message, number) < 0)
            return FAILED;
    crew_linger();
}

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void summarise(const struct run *run, struct round_trip *result)
{
    double *times = run->times;
    uint64_t last = run->rounds - 1;
    for (uint64_t i = 0; i < run->rounds; i++)
        result->seconds += times[i];
    qsort(times, run->rounds, sizeof *times, compare);
    result->rounds = run->rounds;
    result->p50 = times[last / 2];
    result->p99 = times[last * 99 / 100];
    result->p999 = times[last * 999 / 1000];
    result->least = times[0];
    result->most = times[last];
}

static int run_crew(struct crew *crew, struct run *run)
{
    if (!crew)
        return because(FAILED, "no memory for the crew");
    if (crew_add(crew, work_as_echo, 0, run) < 0 || crew_add(crew, work_as_caller, 0, run) < 0)
        return FAILED;
    if (crew_wait_ready(crew) < 0)
        return FAILED;
    crew_open_gate(crew);
    return crew_wait_ended(crew, 1) /* the caller */;
}

static int open_channels(struct run *run)
{
    int opened = run->transport->open(&run->channels[THERE], &run->workload);
    if (opened < 0)
        return opened;
    opened = run->transport->open(&run->channels[BACK], &run->workload);
    if (opened < 0)
        run->transport->close(run->channels[THERE]);
    return opened;
}

static int run_channels(struct run *run, double limit, struct round_trip *result)
{
    int opened = open_channels(run);
    if (opened < 0)
        return opened;
    struct crew *crew = crew_new(limit);
    int done = run_crew(crew, run);
    crew_end(crew, &result->cost);
    run->transport->close(run->channels[THERE]);
    run->transport->close(run->channels[BACK]);
    return done;
}

int measure_round_trip(const struct transport *transport, size_t size, unsigned capacity, uint64_t rounds, double limit,
                       struct round_trip *result)
{
    struct run run = { .transport = transport, .rounds = rounds, .warm_up = rounds / 10 };
    run.workload = (struct workload){ .size = size, .putters = 1, .getters = 1, .capacity = capacity };
    size_t bytes = rounds * sizeof *run.times;
    run.times = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (run.times == MAP_FAILED)
        return because_errno("mmap");
    int done = run_channels(&run, limit, result);
    if (done == 0)
        summarise(&run, result);
    munmap(run.times, bytes);
    return done;
}
