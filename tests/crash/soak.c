/* Soak: queues are made and dropped, processes come, work, are killed at random or end, messages of all sizes make
 * queues grow and shrink. Every message carries a checksum. And at the end the one who was there all the time has what
 * it had at the beginning: descriptors, mappings, memory, no children; and in /dev/shm is nothing of kith's.
 *
 * usage: soak [SECONDS [SEED]]   the seed is printed, and replays the choices, as far as the scheduler lets it. Output
 * is TAP. */
#include "belongings.h"
#include "killing.h"

enum { LINES = 3, WORKERS_MAX = 6, PATIENCE = 30, LARGEST = 2 << 20, QUEUED_MAX = 4000, SLACK = 4096 };

/** What the processes of one queue tell. In shared memory. */
struct board {
    _Atomic uint64_t progress; /* messages got */
    _Atomic uint32_t damaged;
    _Atomic bool stop;
};

/** A queue and its processes. */
static struct line {
    kith_queue *queue;
    size_t largest;
    struct board *board;
    kith_process *workers[WORKERS_MAX]; /* putters are at even places */
} lines[LINES];

struct job {
    struct line *line;
    uint64_t random;
};

static uint64_t randomness, made, started, killed, messages;

/* ---- the workers ---- */

static uint64_t checksum(const unsigned char *bytes, size_t size)
{
    uint64_t sum = size;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

/** Mostly small, sometimes large. */
static size_t choose_size(uint64_t *random, size_t largest)
{
    uint64_t kind = random_below(random, 256);
    size_t most = kind == 0 ? largest : kind < 16 ? 64 * 1024 : 1024;
    return sizeof(uint64_t) + random_below(random, most < largest ? most : largest);
}

static int put_messages(void *argument)
{
    struct job job = *(struct job *)argument;
    unsigned char *bytes = malloc(sizeof(uint64_t) + LARGEST);
    if (!bytes)
        return 2;
    while (!atomic_load(&job.line->board->stop)) {
        size_t size = choose_size(&job.random, job.line->largest), body = size - sizeof(uint64_t);
        memset(bytes + sizeof(uint64_t), (int)job.random, body);
        uint64_t sum = checksum(bytes + sizeof sum, body);
        memcpy(bytes, &sum, sizeof sum);
        int code = kith_queue_put(job.line->queue, bytes, size, KITH_MS(20));
        if (code != KITH_EFULL && code != -EBUSY)
            must(code, "put");
        while (kith_queue_qsize(job.line->queue) > QUEUED_MAX && !atomic_load(&job.line->board->stop))
            pause_for(1000000); /* a queue without bounds */
    }
    free(bytes);
    return 0;
}

static int get_messages(void *argument)
{
    struct job job = *(struct job *)argument;
    while (!atomic_load(&job.line->board->stop)) {
        kith_bytes message;
        int code = kith_queue_get_bytes(job.line->queue, &message, KITH_MS(20));
        if (code == KITH_EEMPTY || code == -EBUSY) /* busy: the machine is */
            continue;
        must(code, "get");
        uint64_t sum = 0;
        if (message.size >= sizeof sum)
            memcpy(&sum, message.data, sizeof sum);
        if (message.size < sizeof sum ||
            sum != checksum((unsigned char *)message.data + sizeof sum, message.size - sizeof sum))
            atomic_fetch_add(&job.line->board->damaged, 1);
        kith_bytes_free(&message);
        atomic_fetch_add(&job.line->board->progress, 1);
        if (random_below(&job.random, 200) == 0) /* so that queues fill now and then */
            pause_for(random_below(&job.random, 5000000));
    }
    return 0;
}

/* ---- lines come and go ---- */

static void start_worker(struct line *line, int place)
{
    struct job job = { line, random_next(&randomness) };
    must(kith_process_start(&line->workers[place], place % 2 ? get_messages : put_messages, &job, NULL), "start");
    started++;
}

static void open_line(struct line *line)
{
    static const struct {
        kith_queue_options bounds;
        size_t largest;
    } kinds[] = { { { .max_items = 4 }, 64 * 1024 },
                  { { .max_bytes = 64 * 1024 }, 32 * 1024 },
                  { { .max_bytes = 16 << 20 }, LARGEST },
                  { { 0 }, LARGEST } };
    size_t kind = random_below(&randomness, sizeof kinds / sizeof *kinds);
    int workers = 2 + (int)random_below(&randomness, WORKERS_MAX - 1);
    line->largest = kinds[kind].largest;
    line->board = share(sizeof *line->board);
    must(kith_queue_new(&line->queue, &kinds[kind].bounds), "new");
    made++;
    for (int i = 0; i < workers; i++)
        start_worker(line, i);
}

/** @return whether all came to their end and nothing was damaged */
static bool close_line(struct line *line)
{
    bool good = true;
    atomic_store(&line->board->stop, true);
    for (int i = 0; i < WORKERS_MAX; i++) {
        kith_process *worker = line->workers[i];
        int exit_code = 0;
        if (!worker)
            continue;
        if (kith_process_join(worker, KITH_SECONDS(PATIENCE)) < 0 || kith_process_exit_code(worker, &exit_code) < 0 ||
            exit_code != 0) {
            printf("# a worker has not ended, or badly: exit code %d\n", exit_code);
            good = false;
        }
        kill_and_close(worker);
    }
    if (line->board->damaged) {
        printf("# %u messages are damaged\n", line->board->damaged);
        good = false;
    }
    messages += line->board->progress;
    kith_queue_free(line->queue);
    munmap(line->board, sizeof *line->board);
    *line = (struct line){ 0 };
    return good;
}

/** Kills one of the line's and starts another in its place. @return false when the line does not get on */
static bool kill_one(struct line *line)
{
    if (!gets_on(&line->board->progress, PATIENCE)) {
        printf("# wedged: nobody got on for %d seconds\n", PATIENCE);
        return false;
    }
    int place = (int)random_below(&randomness, WORKERS_MAX);
    if (!line->workers[place])
        return true;
    kill_and_close(line->workers[place]);
    killed++;
    start_worker(line, place);
    return true;
}

static bool step(void)
{
    struct line *line = &lines[random_below(&randomness, LINES)];
    pause_for(random_below(&randomness, 5000000));
    if (!line->queue)
        open_line(line);
    else if (random_below(&randomness, 20) == 0)
        return close_line(line);
    else
        return kill_one(line);
    return true;
}

int main(int count, char **arguments)
{
    uint64_t seconds = number_of(count, arguments, 1, 2);
    uint64_t seed = randomness = number_of(count, arguments, 2, (uint64_t)time(NULL));
    time_t end = time(NULL) + (time_t)seconds;
    bool good = true;
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..3\n# seed %llu, %llu seconds\n", (unsigned long long)seed, (unsigned long long)seconds);
    /* Once, so that what the libraries keep is there. */
    open_line(&lines[0]);
    good = close_line(&lines[0]);
    struct belongings before = take_stock();
    while (good && time(NULL) < end)
        good = step();
    for (int i = 0; i < LINES; i++) {
        if (lines[i].queue)
            good = close_line(&lines[i]) && good;
    }
    struct belongings after = take_stock();
    printf("# %llu queues, %llu processes started, %llu killed, %llu messages\n", (unsigned long long)made,
           (unsigned long long)started, (unsigned long long)killed, (unsigned long long)messages);
    print_stock("before:", &before);
    print_stock("after: ", &after);
    failed += verdict(1, good, "everybody gets on, and no message is damaged");
    failed += verdict(
        2, nothing_left(&before, &after) && after.named <= before.named && kith_process_active_children(NULL, 0) == 0,
        "no descriptor, mapping, name or child is left over");
    failed += verdict(3, memory_as_before(&before, &after, SLACK), "memory is what it was");
    return failed > 0;
}
