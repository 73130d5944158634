/* What happens when the system refuses a call: every system call of every operation, the first, the second, and so on
 * until the operation makes no more of them. After each refusal the operation has told of it by the right code and a
 * new detail, or has coped; nothing has leaked, neither descriptor nor mapping nor name; and the same operation
 * succeeds when tried again. */
#include "apart.h"
#include "cmocka_kith.h"
#include "nth.h"

#include <semaphore.h>

enum { COPES = 1, CALLS_MAX = 50, FIRST_REGION = 256 * 1024, LARGE = 400 * 1024, OF_NO_USE = 77 };

static kith_queue *queue;
static kith_lock *lock;
static kith_semaphore *semaphore;
static kith_condition *condition;
static kith_barrier *barrier;
static kith_event *event;
static kith_connection *ends[2];
static kith_process *child_asleep;
static char *large;
static char name[40], path[80]; /* of what has a name */
static kith_timeout in_vain;    /* how long to wait for what does not come */

struct operation {
    const char *name;
    int (*prepare)(void);
    int (*act)(void); /* may be called again after it has failed */
    void (*undo)(void);
};

/* ---- operations ---- */

static void nothing_left(void)
{
    kith_queue_free(queue);
    kith_lock_free(lock);
    kith_semaphore_free(semaphore);
    kith_condition_free(condition);
    kith_barrier_free(barrier);
    kith_event_free(event);
    unlink(path);
    kith_connection_free(ends[0]);
    kith_connection_free(ends[1]);
    queue = NULL;
    lock = NULL;
    semaphore = NULL;
    condition = NULL;
    barrier = NULL;
    event = NULL;
    ends[0] = ends[1] = NULL;
}

static int nothing_before(void)
{
    return 0;
}

static int new_queue(void)
{
    return kith_queue_new(&queue, NULL);
}

/** One whose first region is full. */
static int new_full_region(void)
{
    int code = new_queue();
    return code < 0 ? code : kith_queue_put(queue, large, FIRST_REGION - 8, KITH_NOWAIT);
}

static int put_large(void)
{
    return kith_queue_put(queue, large, LARGE, KITH_NOWAIT);
}

/** Large messages from another process, so that this one has not mapped the region in which they are. */
static int new_queue_filled_elsewhere(void)
{
    int code = new_full_region();
    if (code < 0)
        return code;
    pid_t pid = fork();
    if (pid == 0)
        _exit(put_large() < 0 || put_large() < 0 ? 1 : 0);
    if (pid < 0 || apart_wait(pid) != 0)
        return -ECHILD;
    size_t size;
    return kith_queue_get(queue, large, LARGE, &size, KITH_NOWAIT);
}

static int get_large(void)
{
    size_t size;
    int code = kith_queue_get(queue, large, LARGE, &size, KITH_NOWAIT);
    return code == 0 && size != LARGE ? -EBADMSG : code;
}

static int get_nothing(void)
{
    size_t size;
    int code = kith_queue_get(queue, large, LARGE, &size, in_vain);
    return code == KITH_EEMPTY ? 0 : code;
}

static int new_bounded_queue(void)
{
    int code = kith_queue_new(&queue, &(kith_queue_options){ .max_items = 1 });
    return code < 0 ? code : kith_queue_put(queue, NULL, 0, KITH_NOWAIT);
}

static int put_one_too_many(void)
{
    int code = kith_queue_put(queue, NULL, 0, in_vain);
    return code == KITH_EFULL ? 0 : code;
}

static int new_lock(void)
{
    return kith_lock_new(&lock, NULL);
}

/* Another thread owns the lock until it is told to let go. */
static pthread_t owner;
static sem_t owned, told;

static void *own(void *nothing)
{
    int code = kith_lock_acquire(lock, KITH_FOREVER);
    sem_post(&owned);
    sem_wait(&told);
    return code == 0 && kith_lock_release(lock) == 0 ? nothing : &owner;
}

static int new_lock_taken(void)
{
    sem_init(&owned, 0, 0);
    sem_init(&told, 0, 0);
    int code = new_lock();
    if (code < 0 || pthread_create(&owner, NULL, own, NULL) != 0)
        return code < 0 ? code : -EAGAIN;
    sem_wait(&owned);
    return 0;
}

static int acquire_in_vain(void)
{
    int code = kith_lock_acquire(lock, in_vain);
    return code == -ETIMEDOUT ? 0 : code;
}

static void let_go(void)
{
    sem_post(&told);
    pthread_join(owner, NULL);
    nothing_left();
}

static int new_semaphore(void)
{
    return kith_semaphore_new(&semaphore, 0, NULL);
}

static int new_owned_semaphore(void)
{
    return kith_semaphore_new(&semaphore, 2, &(kith_semaphore_options){ .owned = 1 });
}

static int create_owned_semaphore(void)
{
    return kith_semaphore_open(&semaphore, name, KITH_CREATE, 2, &(kith_semaphore_options){ .owned = 1 });
}

static int create_condition(void)
{
    return kith_condition_open(&condition, name, KITH_CREATE);
}

static int create_barrier(void)
{
    return kith_barrier_open(&barrier, name, KITH_CREATE, 2, NULL);
}

static int create_event(void)
{
    return kith_event_open(&event, name, KITH_CREATE);
}

static int new_owned_semaphore_taken(void)
{
    int code = new_owned_semaphore();
    for (int i = 0; code == 0 && i < 2; i++)
        code = kith_semaphore_acquire(semaphore, KITH_NOWAIT);
    return code;
}

static int acquire_no_unit(void)
{
    int code = kith_semaphore_acquire(semaphore, in_vain);
    return code == -ETIMEDOUT ? 0 : code;
}

static int return_seven(void *nothing)
{
    return nothing ? 0 : 7;
}

static int sleep_forever(void *nothing)
{
    for (;;)
        pause();
    return nothing != NULL;
}

static int new_child(void)
{
    return kith_process_start(&child_asleep, sleep_forever, NULL, NULL);
}

static int join_in_vain(void)
{
    int code = kith_process_join(child_asleep, in_vain);
    return code == -ETIMEDOUT ? 0 : code;
}

static void end_child(void)
{
    EXPECT_OR(kith_process_kill(child_asleep) == 0, return );
    EXPECT_OR(kith_process_join(child_asleep, KITH_FOREVER) == 0, return );
    EXPECT_OR(kith_process_close(child_asleep) == 0, return );
}

/** Starts, joins and closes one. */
static int run_child(void)
{
    kith_process *child;
    int exit_code = 0;
    int code = kith_process_start(&child, return_seven, NULL, NULL);
    if (code < 0)
        return code;
    if (kith_process_join(child, KITH_FOREVER) < 0 || kith_process_exit_code(child, &exit_code) < 0 || exit_code != 7 ||
        kith_process_close(child) < 0)
        return -ECHILD;
    return 0;
}

static int new_pipe(void)
{
    return kith_pipe(&ends[0], &ends[1], NULL);
}

static int send_one(void)
{
    return kith_connection_send(ends[0], "abc", 3, KITH_MS(3000));
}

static int new_pipe_with_message(void)
{
    int code = new_pipe();
    return code < 0 ? code : send_one();
}

static int receive_one(void)
{
    kith_bytes message;
    int code = kith_connection_recv(ends[1], &message, KITH_MS(3000));
    if (code < 0)
        return code;
    bool right = message.size == 3 && memcmp(message.data, "abc", 3) == 0;
    kith_bytes_free(&message);
    return right ? 0 : -EBADMSG;
}

static int poll_in_vain(void)
{
    return kith_connection_poll(ends[1], in_vain);
}

/* ---- refusals ---- */

static const struct operation making_a_queue = { "kith_queue_new", nothing_before, new_queue, nothing_left };
static const struct operation growing = { "put that grows", new_full_region, put_large, nothing_left };
static const struct operation mapping = { "get that maps", new_queue_filled_elsewhere, get_large, nothing_left };
static const struct operation getting = { "get that waits", new_queue, get_nothing, nothing_left };
static const struct operation putting = { "put that waits", new_bounded_queue, put_one_too_many, nothing_left };
static const struct operation making_a_lock = { "kith_lock_new", nothing_before, new_lock, nothing_left };
static const struct operation locking = { "acquire that waits", new_lock_taken, acquire_in_vain, let_go };
static const struct operation making_a_semaphore = { "kith_semaphore_new", nothing_before, new_semaphore,
                                                     nothing_left };
static const struct operation making_units = { "kith_semaphore_new, owned", nothing_before, new_owned_semaphore,
                                               nothing_left };
static const struct operation creating_units = { "kith_semaphore_open, owned", nothing_before, create_owned_semaphore,
                                                 nothing_left };
static const struct operation creating_a_condition = { "kith_condition_open", nothing_before, create_condition,
                                                       nothing_left };
static const struct operation creating_a_barrier = { "kith_barrier_open", nothing_before, create_barrier,
                                                     nothing_left };
static const struct operation creating_an_event = { "kith_event_open", nothing_before, create_event, nothing_left };
static const struct operation waiting = { "semaphore acquire that waits", new_semaphore, acquire_no_unit,
                                          nothing_left };
static const struct operation waiting_for_owner = { "acquire of an owned unit that waits", new_owned_semaphore_taken,
                                                    acquire_no_unit, nothing_left };
static const struct operation starting = { "start and join", nothing_before, run_child, nothing_left };
static const struct operation joining = { "join that waits", new_child, join_in_vain, end_child };
static const struct operation making_a_pipe = { "kith_pipe", nothing_before, new_pipe, nothing_left };
static const struct operation sending = { "send", new_pipe, send_one, nothing_left };
static const struct operation receiving = { "receive", new_pipe_with_message, receive_one, nothing_left };
static const struct operation polling = { "poll", new_pipe, poll_in_vain, nothing_left };

/** A system call, what it fails with, and what the operation gives then; COPES: what it would have given anyhow. */
static const struct refusal {
    const struct operation *operation;
    long call;
    int error;
    int code;
} refusals[] = {
    { &making_a_queue, SYS_memfd_create, EMFILE, -EMFILE },
    { &making_a_queue, SYS_memfd_create, ENFILE, -ENFILE },
    { &making_a_queue, SYS_memfd_create, ENOMEM, -ENOMEM },
    { &making_a_queue, SYS_fallocate, ENOMEM, -ENOMEM },
    { &making_a_queue, SYS_fallocate, EINTR, COPES },
    { &making_a_queue, SYS_mmap, ENOMEM, -ENOMEM },
    { &growing, SYS_mmap, ENOMEM, -ENOMEM },
    { &growing, SYS_fallocate, ENOMEM, -ENOMEM },
    { &growing, SYS_fallocate, ENOSPC, -ENOSPC },
    { &growing, SYS_fallocate, EINTR, COPES },
    { &mapping, SYS_mmap, ENOMEM, -ENOMEM },
    { &getting, SYS_futex_waitv, EINTR, -EINTR },
    { &getting, SYS_futex_waitv, EAGAIN, COPES },
    { &getting, SYS_futex_waitv, ENOMEM, COPES },
    { &putting, SYS_futex_waitv, EINTR, -EINTR },
    { &putting, SYS_futex_waitv, EAGAIN, COPES },
    { &putting, SYS_futex_waitv, ENOMEM, COPES },
    { &making_a_lock, SYS_mmap, ENOMEM, -ENOMEM },
    { &locking, SYS_futex, EINTR, -EINTR },
    { &locking, SYS_futex, EAGAIN, COPES },
    { &making_a_semaphore, SYS_mmap, ENOMEM, -ENOMEM },
    { &making_units, SYS_mmap, ENOMEM, -ENOMEM },
    { &making_units, SYS_futex_waitv, ENOSYS, -ENOTSUP },
    { &creating_units, SYS_mmap, ENOMEM, -ENOMEM },
    { &creating_units, SYS_futex_waitv, ENOSYS, -ENOTSUP },
    { &creating_a_condition, SYS_mmap, ENOMEM, -ENOMEM },
    { &creating_a_condition, SYS_futex_waitv, ENOSYS, -ENOTSUP },
    { &creating_a_barrier, SYS_mmap, ENOMEM, -ENOMEM },
    { &creating_a_barrier, SYS_futex_waitv, ENOSYS, -ENOTSUP },
    { &creating_an_event, SYS_mmap, ENOMEM, -ENOMEM },
    { &creating_an_event, SYS_futex_waitv, ENOSYS, -ENOTSUP },
    { &waiting, SYS_futex_waitv, EINTR, -EINTR },
    { &waiting, SYS_futex_waitv, EAGAIN, COPES },
    { &waiting, SYS_futex_waitv, ENOMEM, COPES },
    { &waiting_for_owner, SYS_futex_waitv, EINTR, -EINTR },
    { &waiting_for_owner, SYS_futex_waitv, EAGAIN, COPES },
    { &waiting_for_owner, SYS_futex_waitv, ENOMEM, COPES },
    { &starting, SYS_clone, EAGAIN, -EAGAIN },
    { &starting, SYS_clone, ENOMEM, -ENOMEM },
    { &starting, SYS_pidfd_open, EMFILE, -EMFILE },
    { &starting, SYS_pidfd_open, ENFILE, -ENFILE },
    { &starting, SYS_waitid, EINTR, COPES },
    { &joining, SYS_ppoll, EINTR, -EINTR },
    { &joining, SYS_ppoll, ENOMEM, -ENOMEM },
    { &making_a_pipe, SYS_socketpair, EMFILE, -EMFILE },
    { &making_a_pipe, SYS_socketpair, ENFILE, -ENFILE },
    { &making_a_pipe, SYS_socketpair, ENOMEM, -ENOMEM },
    { &sending, SYS_sendto, EINTR, COPES },
    { &sending, SYS_sendto, EAGAIN, COPES },
    { &sending, SYS_sendto, ENOBUFS, -ENOMEM },
    { &receiving, SYS_recvfrom, EINTR, COPES },
    { &receiving, SYS_recvfrom, EAGAIN, COPES },
    { &polling, SYS_ppoll, EINTR, -EINTR },
    { &polling, SYS_ppoll, ENOMEM, -ENOMEM },
    { &getting, SYS_futex_waitv, ENOSYS, COPES }, /* the last: it is remembered */
};

/** The mappings of shared memory. */
static int mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4096];
    int count = 0;
    while (maps && fgets(line, sizeof line, maps))
        count += strstr(line, "kith-") || strstr(line, "/dev/zero");
    if (maps)
        fclose(maps);
    return count;
}

/** A failure that is known, to tell a new detail from an old one. */
static void fail_otherwise(void)
{
    EXPECT_OR(kith_lock_new(NULL, NULL) == -EINVAL, return );
}

static int expect_failure(const struct refusal *refusal, int code)
{
    EXPECT(code == refusal->code);
    EXPECT(access(path, F_OK) < 0); /* a name that nobody got a handle for */
    /* An interruption is no failure: the caller asked for it. */
    EXPECT(code == -EINTR || (strlen(kith_error_detail()) > 10 && !strstr(kith_error_detail(), "lock is NULL")));
    EXPECT(refusal->operation->act() == 0);
    return 0;
}

/** Refuses the nth call. @return 0; 1: something is wrong; OF_NO_USE: there was no nth call */
static int refuse_nth(const struct refusal *refusal, unsigned n)
{
    EXPECT(refusal->operation->prepare() == 0);
    fail_otherwise();
    nth_refuse(refusal->call, n, refusal->error);
    int code = refusal->operation->act();
    bool struck = nth_relent();
    if (struck && refusal->code != COPES) {
        EXPECT(expect_failure(refusal, code) == 0);
    } else {
        EXPECT(code == 0);
    }
    refusal->operation->undo();
    return struck ? 0 : OF_NO_USE;
}

static int refuse_each(const struct refusal *refusal)
{
    unsigned n = 1;
    in_vain = KITH_MS(3);
    while (n < CALLS_MAX) {
        int open = descriptors(), mapped = mappings();
        int outcome = refuse_nth(refusal, n);
        EXPECT(outcome == 0 || outcome == OF_NO_USE);
        EXPECT(descriptors() == open && mappings() == mapped);
        if (outcome == 0)
            n++;
        else if (n == 1 && in_vain < KITH_SECONDS(3))
            in_vain *= 4; /* the time was up before it went to sleep */
        else
            break;
    }
    EXPECT(n > 1 && n < CALLS_MAX); /* some, but not without end */
    return 0;
}

static int refuse_all(void)
{
    int wrong = 0;
    large = calloc(1, LARGE);
    EXPECT_OR(large, _exit(1));
    snprintf(name, sizeof name, "test-faults-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/kith.%s", name);
    /* Once a process, the library opens a descriptor, and maps counters, that stay. */
    EXPECT_OR(run_child() == 0 && new_pipe() == 0, _exit(1));
    nothing_left();
    if (nth_watch() < 0)
        _exit(OF_NO_USE);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (refuse_each(&refusals[i]) != 0) {
            fprintf(stderr, "%s, when system call %ld fails: %s\n", refusals[i].operation->name, refusals[i].call,
                    strerror(refusals[i].error));
            wrong++;
            nothing_left();
        }
    }
    _exit(wrong > 0 ? 1 : 0); /* at exit, the leak sanitizer would want a thread */
}

static void every_call_of_every_operation(void **state)
{
    (void)state;
    int outcome = apart(refuse_all);
    if (outcome == OF_NO_USE)
        skip();
    assert_int_equal(outcome, 0);
}

/* Another C library, or an emulator. */
static int refuse_robust_list(void)
{
    kith_queue *made = NULL;
    EXPECT_OR(refuse(SYS_get_robust_list, ENOSYS) == 0, _exit(OF_NO_USE));
    EXPECT_OR(kith_lock_new(&lock, NULL) == -ENOTSUP && strstr(kith_error_detail(), "robust"), _exit(1));
    EXPECT_OR(kith_semaphore_new(&semaphore, 1, NULL) == -ENOTSUP, _exit(1));
    EXPECT_OR(kith_queue_new(&made, NULL) == -ENOTSUP && !made, _exit(1));
    _exit(0);
}

static void no_robust_list(void **state)
{
    (void)state;
    int outcome = apart(refuse_robust_list);
    if (outcome == OF_NO_USE)
        skip();
    assert_int_equal(outcome, 0);
}

/* Connections do without shared memory, only slower. */
static int refuse_mappings(void)
{
    EXPECT_OR(refuse_when(SYS_mmap, 3, MAP_SHARED | MAP_ANONYMOUS, ENOMEM) == 0, _exit(OF_NO_USE));
    EXPECT_OR(new_pipe() == 0, _exit(1));
    for (int i = 0; i < 3; i++)
        EXPECT_OR(send_one() == 0, _exit(1));
    for (int i = 0; i < 3; i++)
        EXPECT_OR(receive_one() == 0, _exit(1));
    _exit(0);
}

static void no_shared_memory(void **state)
{
    (void)state;
    int outcome = apart(refuse_mappings);
    if (outcome == OF_NO_USE)
        skip();
    assert_int_equal(outcome, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_of_every_operation),
        cmocka_unit_test(no_robust_list),
        cmocka_unit_test(no_shared_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
