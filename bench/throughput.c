/* bench/throughput.c: messages a second.
 *
 * Getters do not know which message is the last one, and no transport but some could tell them alike. So each getter
 * publishes what it has got, and the parent looks when the sum is complete: rarely at first, then closer and closer, so
 * that the looking costs nothing and the end is known to a two-thousandth. Then it checks the sum and kills them all.
 */
#include "measure.h"

#include "reason.h"

struct run {
    const struct transport *transport;
    const struct workload *workload;
    const struct manner *manner;
    unsigned batch;
    void *channel;
    uint64_t messages_each; /* of each putter */
};

/* Makes a worker ready and waits at the gate with it. */
static int prepare(struct crew *crew, const struct run *run, enum role role, unsigned index, struct task *task)
{
    size_t size = run->workload->size;
    *task = (struct task){ .transport = run->transport, .channel = run->channel, .size = size, .batch = run->batch };
    task->buffer = message_new(size * run->batch);
    if (!task->buffer)
        return because(FAILED, "no memory for the messages");
    if (run->transport->join && run->transport->join(run->channel, role, index) < 0)
        return FAILED;
    crew_pass_gate(crew);
    return 0;
}

static int work_as_putter(struct crew *crew, unsigned index, void *argument)
{
    const struct run *run = argument;
    struct task task;
    if (prepare(crew, run, ROLE_PUTTER, index, &task) < 0)
        return FAILED;
    task.putter = index;
    task.messages = run->messages_each;
    if (run->manner->put_all(&task) < 0)
        return FAILED;
    crew_linger();
}

static int work_as_getter(struct crew *crew, unsigned index, void *argument)
{
    const struct run *run = argument;
    struct task task;
    if (prepare(crew, run, ROLE_GETTER, index, &task) < 0)
        return FAILED;
    task.tally = crew_tally(crew, index); /* the getters are added first */
    task.expected = (struct expectation){ .size = run->workload->size, .putters = run->workload->putters };
    return run->manner->get_all(&task);
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

/* How long to sleep before the next look: half of what the rest will take if it goes on as it went. At most as long
 * as it went, as the first moments tell little. */
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

int measure_throughput(const struct transport *transport, const struct workload *workload, const struct manner *manner,
                       unsigned batch, uint64_t messages, double limit, struct throughput *result)
{
    if (!manner->is_offered(transport))
        return because(CANNOT, "it offers no such call");
    struct run run = { .transport = transport, .workload = workload, .manner = manner, .batch = batch };
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
