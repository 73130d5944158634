/* bench/latency.c: how long a message takes to another process, and with its answer back. One process calls and waits
 * for the answer, the other one answers. Each is kept on a processor of its own where there are two.
 *
 * Busy, both wait with open eyes if the transport does. Asleep, the caller naps before each call for so long that the
 * answerer has gone to sleep, and the answerer naps before it answers until the caller has; how long is in the
 * answer, and does not count. So each message finds a sleeper that it must wake, which is what most programs see.
 */
#include "measure.h"

#include "message.h"
#include "reason.h"

#include <string.h>
#include <sys/mman.h>

#define CALLER_NAP 1e-3     /* between the calls; longer than anybody waits awake */
#define ANSWERER_NAP 200e-6 /* before the answer */

enum { CALL, ANSWER };

/* Between the message's first and last word, which message_stamp writes. */
struct note {
    uint64_t sent;   /* when, as now_ns() */
    uint64_t napped; /* by the answerer, in nanoseconds */
};

_Static_assert(LATENCY_SIZE_MIN >= sizeof(struct note) + 2 * sizeof(uint64_t), "the note lies between both words");

/* Shared: each written by one worker, read by the parent when both are done. */
struct histograms {
    struct histogram round_trip; /* by the caller */
    struct histogram one_way;    /* by the answerer */
};

struct run {
    const struct transport *transport;
    struct workload workload; /* of each channel */
    bool asleep;
    void *channels[2];
    uint64_t warm_up;
    uint64_t rounds;
    struct histograms *histograms;
};

/* One process's side. */
struct side {
    const struct run *run;
    void *from, *to; /* channels */
    void *message, *buffer;
    struct expectation expected;
};

static int join(const struct run *run, void *channel, enum role role)
{
    return run->transport->join ? run->transport->join(channel, role, 0) : 0;
}

/* Getters join before putters, so each of the two joins the channel that it gets from, waits for the other one to
 * have done so, and then joins the one that it puts on. */
static int prepare(struct side *side, struct crew *crew, const struct run *run, int from, int to)
{
    size_t size = run->workload.size;
    *side = (struct side){ .run = run, .from = run->channels[from], .to = run->channels[to] };
    side->expected = (struct expectation){ .size = size, .putters = 1 };
    side->message = message_new(size);
    side->buffer = message_new(size);
    if (!side->message || !side->buffer)
        return because(FAILED, "no memory for a message");
    if (join(run, side->from, ROLE_GETTER) < 0)
        return FAILED;
    crew_pass_gate(crew);
    return join(run, side->to, ROLE_PUTTER);
}

static int put(struct side *side, uint64_t number, struct note note)
{
    message_stamp(side->message, side->run->workload.size, 0, number);
    memcpy((char *)side->message + sizeof(uint64_t), &note, sizeof note);
    return side->run->transport->put(side->to, side->message);
}

/* Gets one message and its note. The time is taken before anything is looked at. */
static int get(struct side *side, struct note *note, uint64_t *time)
{
    const void *message = side->buffer;
    uint64_t stamp;
    ssize_t size = side->run->transport->get(side->from, side->buffer, &message);
    *time = now_ns();
    if (size < 0 || message_check(&side->expected, message, (size_t)size, &stamp) < 0)
        return FAILED;
    memcpy(note, (const char *)message + sizeof(uint64_t), sizeof *note);
    return 0;
}

static int work_as_caller(struct crew *crew, unsigned index, void *argument)
{
    (void)index;
    const struct run *run = argument;
    struct side side;
    if (prepare(&side, crew, run, ANSWER, CALL) < 0)
        return FAILED;
    for (uint64_t number = 0; number < run->warm_up + run->rounds; number++) {
        if (run->asleep)
            nap(CALLER_NAP);
        uint64_t sent = now_ns(), got;
        struct note note;
        if (put(&side, number, (struct note){ .sent = sent }) < 0 || get(&side, &note, &got) < 0)
            return FAILED;
        if (number >= run->warm_up)
            histogram_add(&run->histograms->round_trip, got - sent - note.napped);
    }
    return 0;
}

static int work_as_answerer(struct crew *crew, unsigned index, void *argument)
{
    (void)index;
    const struct run *run = argument;
    struct side side;
    if (prepare(&side, crew, run, CALL, ANSWER) < 0)
        return FAILED;
    for (uint64_t number = 0; number < run->warm_up + run->rounds; number++) {
        struct note note;
        uint64_t got;
        if (get(&side, &note, &got) < 0)
            return FAILED;
        if (number >= run->warm_up)
            histogram_add(&run->histograms->one_way, got - note.sent);
        if (run->asleep) {
            uint64_t start = now_ns();
            nap(ANSWERER_NAP);
            note.napped = now_ns() - start;
        }
        if (put(&side, number, note) < 0)
            return FAILED;
    }
    crew_linger();
}

static int run_crew(struct crew *crew, struct run *run, double *seconds)
{
    if (!crew)
        return because(FAILED, "no memory for the crew");
    if (crew_add(crew, work_as_answerer, 0, run) < 0 || crew_add(crew, work_as_caller, 0, run) < 0)
        return FAILED;
    if (crew_wait_ready(crew) < 0)
        return FAILED;
    double start = crew_open_gate(crew);
    int done = crew_wait_ended(crew, 1) /* the caller */;
    *seconds = now() - start;
    return done;
}

static int open_channels(struct run *run)
{
    int opened = run->transport->open(&run->channels[CALL], &run->workload);
    if (opened < 0)
        return opened;
    opened = run->transport->open(&run->channels[ANSWER], &run->workload);
    if (opened < 0)
        run->transport->close(run->channels[CALL]);
    return opened;
}

static int run_channels(struct run *run, double limit, struct latency *result)
{
    int opened = open_channels(run);
    if (opened < 0)
        return opened;
    struct crew *crew = crew_new(limit);
    int done = run_crew(crew, run, &result->seconds);
    crew_end(crew, &result->cost);
    run->transport->close(run->channels[CALL]);
    run->transport->close(run->channels[ANSWER]);
    return done;
}

int measure_latency(const struct transport *transport, bool asleep, size_t size, unsigned capacity, uint64_t rounds,
                    double limit, struct latency *result)
{
    struct run run = { .transport = transport, .asleep = asleep, .rounds = rounds, .warm_up = rounds / 10 };
    run.workload = (struct workload){ .size = size, .putters = 1, .getters = 1, .capacity = capacity, .in_turn = true };
    int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE; /* so that no round pays for a fresh page */
    run.histograms = mmap(NULL, sizeof *run.histograms, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (run.histograms == MAP_FAILED)
        return because_errno("mmap");
    int done = run_channels(&run, limit, result);
    if (done == 0) {
        result->rounds = rounds;
        result->round_trip = run.histograms->round_trip;
        result->one_way = run.histograms->one_way;
    }
    munmap(run.histograms, sizeof *run.histograms);
    return done;
}
