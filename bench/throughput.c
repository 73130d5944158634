/* bench/throughput.c: messages a second.
 *
 * Getters do not know which message is the last one, and no transport but some could tell them alike. So each getter
 * publishes what it has got, and the parent looks when the sum is complete: rarely at first, then closer and closer, so
 * that the looking costs nothing and the end is known to a two-thousandth. Then it checks the sum and kills them all.
 */
#include "measure.h"

#include "message.h"
#include "reason.h"

#include <stdlib.h>

struct run {
    const struct transport *transport;
    const struct workload *workload;
    void *channel;
    uint64_t messages_each; /* of each putter */
};

static int join(const struct run *run, enum role role, unsigned index)
{
    return run->transport->join ? run->transport->join(run->channel, role, index) : 0;
}

static int work_as_putter(struct crew *crew, unsigned index, void *argument)
{
    const struct run *run = argument;
    size_t size = run->workload->size;
    void *message = message_new(size);
    if (!message)
        return because(FAILED, "no memory for a message");
    if (join(run, ROLE_PUTTER, index) < 0)
        return FAILED;
    crew_pass_gate(crew);
    for (uint64_t number = 0; number < run->messages_each; number++) {
        message_stamp(message, size, index, number);
        if (run->transport->put(run->channel, message) < 0)
            return FAILED;
    }
    crew_linger();
}

static int work_as_getter(struct crew *crew, unsigned index, void *argument)
{
    const struct run *run = argument;
    struct tally *tally = crew_tally(crew, index); /* the getters are added first */
    struct expectation expected = { .size = run->workload->size, .putters = run->workload->putters };
    void *buffer = message_new(run->workload->size);
    if (!buffer)
        return because(FAILED, "no memory for a message");
    if (join(run, ROLE_GETTER, index) < 0)
        return FAILED;
    crew_pass_gate(crew);
    uint64_t sum = 0;
    for (uint64_t count = 1;; count++) {
        const void *message = buffer;
        uint64_t stamp;
        ssize_t got = run->transport->get(run->channel, buffer, &message);
        if (got < 0 || message_check(&expected, message, (size_t)got, &stamp) < 0)
            return FAILED;
        sum += stamp;
        atomic_store_explicit(&tally->sum, sum, memory_order_relaxed);
        atomic_store_explicit(&tally->count, count, memory_order_release); /* the parent reads the sum after it */
    }
}

static int add_workers(struct crew *crew, crew_work work, unsigned count, struct run *run)
{
    for (unsigned index = 0; index < count; index++)
        if (crew_add(crew, work, index, run) < 0)
            return FAILED;
    return crew_wait_ready(crew);
}

static uint64_t count_got(struct crew *crew, unsigned getters, uint64_t *sum)
{
    uint64_t count = 0;
    *sum = 0;
    for (unsigned index = 0; index < getters; index++) {
        count += atomic_load_explicit(&crew_tally(crew, index)->count, memory_order_acquire);
        *sum += atomic_load_explicit(&crew_tally(crew, index)->sum, memory_order_relaxed);
    }
    return count;
}

/* How long to sleep before the next look: half of what the rest will take if it goes on as it went. At most as long as it
 * went, as the first moments tell little. */
static double next_nap(double elapsed, uint64_t got, uint64_t messages)
{
    double least = elapsed / 2000;
    double most = elapsed < 0.05 ? elapsed + 1e-4 : 0.05;
    double half = got ? elapsed * (double)(messages - got) / (double)got / 2 : most;
    return half < least ? least : half > most ? most : half;
}

static int watch(struct crew *crew, const struct run *run, double start, struct throughput *result)
{
    for (;;) {
        uint64_t sum;
        uint64_t got = count_got(crew, run->workload->getters, &sum);
        double elapsed = now() - start;
        if (got >= result->messages) {
            result->seconds = elapsed;
            return sum == message_sum(run->workload->putters, run->messages_each)
                       ? 0
                       : because(FAILED, "what was got is not what was put");
        }
        if (crew_look(crew) < 0)
            return FAILED;
        nap(next_nap(elapsed, got, result->messages));
    }
}

static int run_crew(struct crew *crew, struct run *run, struct throughput *result)
{
    if (!crew)
        return because(FAILED, "no memory for the crew");
    if (add_workers(crew, work_as_getter, run->workload->getters, run) < 0)
        return FAILED;
    if (add_workers(crew, work_as_putter, run->workload->putters, run) < 0)
        return FAILED;
    return watch(crew, run, crew_open_gate(crew), result);
}

int measure_throughput(const struct transport *transport, const struct workload *workload, uint64_t messages,
                       double limit, struct throughput *result)
{
    struct run run = { .transport = transport, .workload = workload };
    run.messages_each = (messages + workload->putters - 1) / workload->putters;
    result->messages = run.messages_each * workload->putters;
    int opened = transport->open(&run.channel, workload);
    if (opened < 0)
        return opened;
    struct crew *crew = crew_new(limit);
    int done = run_crew(crew, &run, result);
    crew_end(crew, &result->cost);
    transport->close(run.channel);
    return done;
}
