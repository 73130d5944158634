/* KITH_FORKSERVER, kith_forkserver_start and kith_forkserver_stop. */
#include "entries.h"
#include "nth.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { OF_NO_USE = 77 };

static kith_process_options served(void)
{
    return (kith_process_options){ .method = KITH_FORKSERVER, .fds = pipes, .fd_count = 3 };
}

KITH_ENTRY(say_that_it_was_called)
{
    return say_by(call, '!');
}

static int preloaded;

static int open_parents(int descriptor, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getppid(), descriptor);
    return open(path, flags | O_CLOEXEC);
}

/* What a server preloads: it keeps a number, and tells its id through a descriptor of its parent that it is told. */
KITH_ENTRY(preload_and_tell)
{
    int descriptor;
    pid_t pid = getpid();
    EXPECT(kith_value_unpack(kith_call_args(call), "(i,i,*)", &preloaded, &descriptor) == 0);
    int end = open_parents(descriptor, O_WRONLY);
    EXPECT(end >= 0 && write(end, &pid, sizeof pid) == sizeof pid);
    close(end);
    return 0;
}

static kith_value *preload_args(int number)
{
    return kith_value_pack(arena, "(i,i)", number, said[1]);
}

/** The id that the server told. */
static pid_t hear_pid(void)
{
    pid_t pid = 0;
    return readable(said[0], PATIENCE) && read(said[0], &pid, sizeof pid) == sizeof pid ? pid : -1;
}

/** Starts the server. @return its id */
static pid_t start_server(int number)
{
    assert_code(kith_forkserver_start(preload_and_tell, preload_args(number)), 0);
    pid_t pid = hear_pid();
    assert_true(pid > 0);
    return pid;
}

KITH_ENTRY(return_preloaded)
{
    (void)call;
    return preloaded;
}

/* ---- the server ---- */

static void children_have_what_the_server_preloaded(void **state)
{
    (void)state;
    kith_process_options options = served();
    start_server(40);
    run_entry(return_preloaded, KITH_NO_ARGS, &options, 40);
    assert_code(kith_forkserver_start(preload_and_tell, preload_args(41)), 0);
    run_entry(return_preloaded, KITH_NO_ARGS, &options, 40); /* it ran already */
    assert_code(kith_forkserver_stop(), 0);
    assert_code(kith_forkserver_stop(), 0);
    start_server(42);
    run_entry(return_preloaded, KITH_NO_ARGS, &options, 42);
    assert_code(kith_forkserver_stop(), 0);
    run_entry(return_preloaded, KITH_NO_ARGS, &options, 0); /* nothing is preloaded without being asked for */
    assert_int_equal(heard(), 0);
}

static void the_server_is_none_of_the_programs_children(void **state)
{
    (void)state;
    start_server(43);
    assert_int_equal(kith_process_active_children(NULL, 0), 0);
}

KITH_ENTRY(exit_in_preload)
{
    (void)call;
    _exit(3);
}

static void *sleep_in_thread(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

KITH_ENTRY(preload_a_thread)
{
    (void)call;
    pthread_t thread;
    return pthread_create(&thread, NULL, sleep_in_thread, NULL);
}

static int unregistered(kith_call *call)
{
    return call != NULL;
}

KITH_ENTRY(fail_in_preload)
{
    (void)call;
    return kith_fail(-ENOENT, "the table of primes is not there");
}

static void what_is_preloaded_may_fail(void **state)
{
    (void)state;
    kith_process_options options = served();
    kith_value *five = kith_value_pack(arena, "(i)", 5);
    assert_explained(kith_forkserver_start(return_first, five), KITH_ETASK);
    assert_explained(kith_forkserver_start(return_first, kith_value_pack(arena, "(i)", -ENOENT)), -ENOENT);
    assert_non_null(strstr(kith_error_detail(), "return_first gave -2"));
    assert_explained(kith_forkserver_start(fail_in_preload, KITH_NO_ARGS), -ENOENT);
    assert_non_null(strstr(kith_error_detail(), "fail_in_preload gave -2: the table of primes is not there"));
    assert_explained(kith_forkserver_start(return_first, NULL), -EINVAL);
    assert_explained(kith_forkserver_start(exit_in_preload, KITH_NO_ARGS), KITH_EWORKERLOST);
    assert_explained(kith_forkserver_start(preload_a_thread, KITH_NO_ARGS), -EBUSY);
    assert_explained(kith_forkserver_start(unregistered, KITH_NO_ARGS), -EINVAL);
    assert_explained(kith_forkserver_start(return_first, kith_value_int(arena, 5)), -EINVAL);
    run_entry(return_first, five, &options, 5);
}

/* ---- its children ---- */

struct mutexes {
    pthread_mutex_t robust;
    pthread_mutex_t checking;
};

static void *return_argument(void *argument)
{
    return argument;
}

/* The C library has to know the thread by its new id. */
KITH_ENTRY(use_the_c_library)
{
    kith_segment *segment;
    EXPECT(kith_segment_from_fd(&segment, kith_call_fd(call, "segment")) == 0);
    struct mutexes *mutexes = kith_segment_data(segment);
    EXPECT(pthread_mutex_lock(&mutexes->checking) == 0 && pthread_mutex_lock(&mutexes->checking) == EDEADLK);
    EXPECT(mutexes->checking.__data.__owner == getpid());
    EXPECT(pthread_kill(pthread_self(), 0) == 0);
    pthread_t thread;
    void *outcome = NULL;
    EXPECT(pthread_create(&thread, NULL, return_argument, mutexes) == 0);
    EXPECT(pthread_join(thread, &outcome) == 0 && outcome == mutexes);
    pid_t pid = fork();
    if (pid == 0)
        _exit(pthread_mutex_unlock(&mutexes->checking) == EPERM ? 44 : 1);
    int status;
    EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 44);
    EXPECT(pthread_mutex_unlock(&mutexes->checking) == 0);
    EXPECT(pthread_mutex_lock(&mutexes->robust) == 0);
    return 45; /* and with it in its hands */
}

static void init_mutexes(struct mutexes *mutexes)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutexes->checking, &attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutexes->robust, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static void children_are_whole_processes(void **state)
{
    (void)state;
    kith_process_options options = served();
    kith_segment *segment;
    assert_code(kith_segment_new(&segment, sizeof(struct mutexes)), 0);
    struct mutexes *mutexes = kith_segment_data(segment);
    init_mutexes(mutexes);
    options.fds = &(kith_process_fd){ "segment", kith_segment_share_fd(segment) };
    options.fd_count = 1;
    run_entry(use_the_c_library, KITH_NO_ARGS, &options, 45);
    assert_int_equal(pthread_mutex_lock(&mutexes->robust), EOWNERDEAD);
    kith_segment_free(segment);
}

KITH_ENTRY(hold_both_and_die)
{
    kith_lock *one, *two;
    EXPECT(kith_lock_from_fd(&one, kith_call_fd(call, "one")) == 0);
    EXPECT(kith_lock_from_fd(&two, kith_call_fd(call, "two")) == 0);
    EXPECT(kith_lock_acquire(one, KITH_FOREVER) == 0 && kith_lock_acquire(two, KITH_FOREVER) == 0);
    EXPECT(kith_lock_release(one) == 0);
    return raise(SIGKILL);
}

static void locks_of_a_dead_child_are_free(void **state)
{
    (void)state;
    kith_lock *one, *two;
    assert_code(kith_lock_new(&one, NULL), 0);
    assert_code(kith_lock_new(&two, NULL), 0);
    kith_process_fd fds[] = { { "one", kith_lock_share_fd(one) }, { "two", kith_lock_share_fd(two) } };
    kith_process_options options = { .method = KITH_FORKSERVER, .fds = fds, .fd_count = 2 };
    run_entry(hold_both_and_die, KITH_NO_ARGS, &options, -SIGKILL);
    assert_code(kith_lock_acquire(one, KITH_FOREVER), 0);
    assert_code(kith_lock_acquire(two, KITH_FOREVER), KITH_EOWNERDEAD);
    assert_code(kith_lock_release(one), 0);
    assert_code(kith_lock_release(two), 0);
    kith_lock_free(one);
    kith_lock_free(two);
}

KITH_ENTRY(count_descriptors)
{
    (void)call;
    return descriptors();
}

static int descriptors_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    int count = 0;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void nobody_has_descriptors_too_many(void **state)
{
    (void)state;
    kith_process_options options = served();
    pid_t server = start_server(46);
    int mine = descriptors(), its = descriptors_of(server);
    for (int i = 0; i < 100; i++)
        run_entry(count_descriptors, KITH_NO_ARGS, &options,
                  3 + 1 + 3); /* the streams, the parent, and what is handed over */
    assert_int_equal(descriptors(), mine);
    assert_int_equal(its, 3 + 1 + 1); /* its socket */
    assert_int_equal(descriptors_of(server), its);
}

KITH_ENTRY(interrupt_itself)
{
    (void)call;
    raise(SIGINT);
    return 1;
}

static void only_the_server_ignores_interrupts(void **state)
{
    (void)state;
    kith_process_options options = served();
    pid_t server = start_server(47);
    assert_int_equal(kill(server, SIGINT), 0);
    run_entry(interrupt_itself, KITH_NO_ARGS, &options, -SIGINT);
    run_entry(return_preloaded, KITH_NO_ARGS, &options, 47);
    assert_int_equal(heard(), 0); /* it is the same one */
}

KITH_ENTRY(use_a_server_of_its_own)
{
    kith_process_options options = { .method = KITH_FORKSERVER };
    kith_process *child;
    int exit_code;
    (void)call;
    EXPECT(kith_process_start_entry(&child, return_preloaded, KITH_NO_ARGS, &options) == 0);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_exit_code(child, &exit_code) == 0);
    return exit_code;
}

static void a_forked_child_has_a_server_of_its_own(void **state)
{
    (void)state;
    kith_process_options options = served(), forked = { .method = KITH_FORK };
    start_server(48);
    /* It preloads what its parent's does, through the same pipe. */
    run_entry(use_a_server_of_its_own, KITH_NO_ARGS, &forked, 48);
    assert_true(hear_pid() > 0);
    run_entry(return_preloaded, KITH_NO_ARGS, &options, 48);
    assert_int_equal(heard(), 0);
}

/* ---- ends ---- */

static void children_outlive_the_server(void **state)
{
    (void)state;
    kith_process_options options = served();
    pid_t server = start_server(49);
    kith_process *child = start_entry(say_and_wait_to_go, KITH_NO_ARGS, &options);
    assert_int_equal(hear(), 'h');
    assert_int_equal(kill(server, SIGKILL), 0);
    run_entry(return_preloaded, KITH_NO_ARGS, &options, 49);
    pid_t other = hear_pid();
    assert_true(other > 0 && other != server);
    assert_code(kith_forkserver_stop(), 0);
    assert_int_equal(kith_process_is_alive(child), 1);
    let_go();
    finish(child, 0);
}

/* Dies when it is let go. */
KITH_ENTRY(preload_or_die)
{
    int number, telling, going;
    char byte;
    EXPECT(kith_value_unpack(kith_call_args(call), "(i,i,i)", &number, &telling, &going) == 0);
    int end = open_parents(going, O_RDONLY | O_NONBLOCK);
    if (read(end, &byte, 1) == 1)
        raise(SIGKILL);
    close(end);
    return preload_and_tell(call);
}

static void a_server_that_dies_while_it_begins_is_replaced(void **state)
{
    (void)state;
    kith_process_options options = served();
    kith_value *args = kith_value_pack(arena, "(i,i,i)", 53, said[1], go[0]);
    assert_code(kith_forkserver_start(preload_or_die, args), 0);
    pid_t server = hear_pid();
    assert_true(server > 0);
    assert_int_equal(kill(server, SIGKILL), 0);
    let_go();
    run_entry(return_preloaded, KITH_NO_ARGS, &options, 53);
    assert_true(hear_pid() > 0);
    assert_false(readable(go[0], 0)); /* one died of it */
}

static int leave_a_server_behind(void)
{
    EXPECT(dup2(living[1], STDERR_FILENO) == STDERR_FILENO); /* which the server has, too */
    EXPECT(kith_forkserver_start(NULL, NULL) == 0);
    return 0;
}

static int sleep_with_a_server(void)
{
    EXPECT(leave_a_server_behind() == 0);
    return sleep_forever(NULL);
}

static void a_server_ends_with_its_parent(void **state)
{
    (void)state;
    assert_int_equal(apart(leave_a_server_behind), 0);
    pid_t parent = apart_start(sleep_with_a_server);
    give_living_away();
    assert_int_equal(hear(), 's');
    assert_false(all_dead());
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(apart_wait(parent), -SIGKILL);
    wait_until_dead();
}

static _Atomic pid_t starter;

static void *start_in_thread(void *outcome)
{
    kith_process_options options = served();
    atomic_store(&starter, (pid_t)syscall(SYS_gettid));
    *(int *)outcome = kith_process_start_entry(NULL, say_that_it_was_called, KITH_NO_ARGS, &options);
    return NULL;
}

/** Whether a thread of this process waits in a system call. */
static bool waits_in(pid_t thread, long number)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read_it = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    return read_it && strtol(text, NULL, 10) == number;
}

/* Made while another thread waits for the server: nothing of that is in its way. */
static int start_by_another_server(void)
{
    kith_process_options options = { .method = KITH_FORKSERVER };
    kith_process *child;
    int exit_code;
    EXPECT(kith_process_start_entry(&child, return_preloaded, KITH_NO_ARGS, &options) == 0);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_exit_code(child, &exit_code) == 0);
    EXPECT(kith_process_close(child) == 0 && kith_forkserver_stop() == 0);
    EXPECT(exit_code == 50);
    return sleep_forever(NULL);
}

static void a_start_survives_a_server_that_does_not_answer(void **state)
{
    (void)state;
    pthread_t thread;
    int outcome = -1;
    if (access("/proc/self/syscall", R_OK) < 0)
        skip();
    pid_t server = start_server(50);
    assert_int_equal(kill(server, SIGSTOP), 0);
    assert_int_equal(pthread_create(&thread, NULL, start_in_thread, &outcome), 0);
    while (atomic_load(&starter) == 0 || !waits_in(atomic_load(&starter), SYS_ppoll))
        usleep(1000);
    pid_t sibling = apart_start(start_by_another_server);
    assert_true(hear_pid() > 0);
    assert_int_equal(hear(), 's');
    /* The sibling lives, and has nothing that the waiting thread waits for. */
    assert_int_equal(kill(server, SIGKILL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_code(outcome, 0);
    assert_true(hear_pid() > 0); /* of the next one */
    assert_int_equal(hear(), '!');
    assert_int_equal(kill(sibling, SIGKILL), 0);
    assert_int_equal(apart_wait(sibling), -SIGKILL);
    while (kith_process_active_children(NULL, 0) > 0)
        usleep(1000);
}

static pthread_t first_thread;
static int wake[2];

/* The kernel gives the children of a thread that ends, and so the server, to this one, the oldest that is left. */
static void *end_when_woken(void *id)
{
    char byte;
    atomic_store((_Atomic pid_t *)id, (pid_t)syscall(SYS_gettid));
    EXPECT_OR(read(wake[0], &byte, 1) == 1, _exit(1));
    return NULL;
}

static void *start_a_daemon(void *other)
{
    kith_process_options options = served();
    kith_process *child;
    int exit_code;
    char path[64];
    options.daemon = 1;
    EXPECT_OR(pthread_join(first_thread, NULL) == 0, _exit(1));
    EXPECT_OR(kith_process_start_entry(&child, say_and_wait_to_go, KITH_NO_ARGS, &options) == 0, _exit(1));
    EXPECT_OR(hear() == 'h' && write(wake[1], "", 1) == 1, _exit(1));
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)atomic_load((_Atomic pid_t *)other));
    while (access(path, F_OK) == 0)
        usleep(1000);
    EXPECT_OR(write(go[1], "", 1) == 1 && kith_process_join(child, KITH_FOREVER) == 0, _exit(1));
    EXPECT_OR(kith_process_exit_code(child, &exit_code) == 0 && exit_code == 0, _exit(1));
    _exit(0);
}

static int leave_a_server_to_threads(void)
{
    static _Atomic pid_t older_id;
    pthread_t older, younger;
    first_thread = pthread_self();
    EXPECT(pipe(wake) == 0 && kith_forkserver_start(NULL, NULL) == 0);
    EXPECT(pthread_create(&older, NULL, end_when_woken, &older_id) == 0);
    while (atomic_load(&older_id) == 0)
        usleep(1000);
    EXPECT(pthread_create(&younger, NULL, start_a_daemon, &older_id) == 0);
    pthread_exit(NULL);
}

static void daemons_do_not_end_with_a_thread_that_knows_nothing_of_them(void **state)
{
    (void)state;
    assert_int_equal(apart(leave_a_server_to_threads), 0);
}

/* ---- killed at any system call ---- */

/* Its parent; in a process of its own, so that who traces is not who waits for children. */
static int start_when_told(void)
{
    kith_process_options options = served();
    kith_process *child;
    int exit_code;
    EXPECT(kith_forkserver_start(preload_and_tell, preload_args(51)) == 0);
    say('r');
    wait_to_go();
    EXPECT(kith_process_start_entry(&child, say_that_it_was_called, KITH_NO_ARGS, &options) == 0);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_exit_code(child, &exit_code) == 0);
    EXPECT(kith_process_close(child) == 0 && kith_forkserver_stop() == 0);
    EXPECT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    return exit_code & 0xff;
}

/** Waits until a traced process stops. @return the status; -1 when it ended */
static int next_stop(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, __WALL), pid);
    return WIFSTOPPED(status) ? status : -1;
}

/** Begins to trace. @return false where that is not allowed */
static bool seize(pid_t pid)
{
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE)) < 0)
        return false;
    assert_int_equal(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
    assert_true(next_stop(pid) >= 0);
    return true;
}

/** Lets a traced process that is stopped go on to the nth begin or end of a system call, and kills it there.
 *  @param born  receives the id of a child that it makes meanwhile, which is let go. May be NULL
 *  @return whether it came so far; else it has ended */
static bool kill_at(pid_t pid, unsigned n)
{
    while (n > 0) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        int status = next_stop(pid);
        if (status < 0)
            return false;
        if (status >> 16 == 0) {
            n--;
            continue;
        }
        unsigned long born = 0;
        assert_int_equal(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &born), 0);
        assert_true(next_stop((pid_t)born) >= 0);
        assert_int_equal(ptrace(PTRACE_DETACH, (pid_t)born, NULL, NULL), 0);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (next_stop(pid) >= 0)
        continue;
    return true;
}

/** Lets a traced process go on until it has made a child. @return that, stopped at its first instruction; its parent is
 *  stopped, too */
static pid_t stop_at_birth(pid_t pid)
{
    int status;
    do {
        assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
        status = next_stop(pid);
        assert_true(status >= 0);
    } while (status >> 16 == 0);
    unsigned long born = 0;
    assert_int_equal(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &born), 0);
    assert_true(next_stop((pid_t)born) >= 0);
    return (pid_t)born;
}

/* A parent that tells of its server, and starts a child when the server has been seized: which is when this returns. */
static pid_t start_with_seized(int (*parents_main)(void), pid_t *server)
{
    pid_t parent = apart_start(parents_main);
    *server = hear_pid();
    assert_true(*server > 0);
    assert_int_equal(hear(), 'r');
    if (!seize(*server)) {
        kill(parent, SIGKILL);
        apart_wait(parent);
        skip();
    }
    let_go();
    return parent;
}

static void a_server_may_die_at_any_moment(void **state)
{
    (void)state;
    unsigned n = 0;
    bool killed;
    do {
        pid_t server, parent = start_with_seized(start_when_told, &server);
        killed = kill_at(server, ++n);
        /* When it was too early for this child, a second server has told its id. */
        assert_int_equal(apart_wait(parent), 0);
        char words[sizeof(pid_t) + 2] = "";
        ssize_t heard_of = read(said[0], words, sizeof words);
        assert_true(heard_of == 1 || heard_of == 1 + (ssize_t)sizeof(pid_t));
        assert_int_equal(words[heard_of - 1], '!');
    } while (killed && n < 200);
    assert_true(n > 5 && n < 200);
}

static void a_child_may_die_at_any_moment(void **state)
{
    (void)state;
    unsigned n = 0;
    bool killed;
    do {
        pid_t server, parent = start_with_seized(start_when_told, &server);
        pid_t child = stop_at_birth(server);
        assert_int_equal(ptrace(PTRACE_DETACH, server, NULL, NULL), 0);
        killed = kill_at(child, ++n);
        assert_int_equal(apart_wait(parent), killed ? -SIGKILL & 0xff : 0);
        heard();
        assert_int_equal(heard(), 0);
    } while (killed && n < 200);
    assert_true(n > 20 && n < 200);
}

static int start_and_say_so(void)
{
    kith_process_options options = served();
    kith_process *child;
    int exit_code;
    EXPECT(kith_forkserver_start(preload_and_tell, preload_args(52)) == 0);
    say('r');
    wait_to_go();
    EXPECT(kith_process_start_entry(&child, return_preloaded, KITH_NO_ARGS, &options) == 0);
    say('s');
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_exit_code(child, &exit_code) == 0);
    return exit_code;
}

static void a_child_whose_server_is_dead_need_not_speak(void **state)
{
    (void)state;
    pid_t server, parent = start_with_seized(start_and_say_so, &server);
    pid_t child = stop_at_birth(server);
    assert_int_equal(kill(server, SIGKILL), 0);
    assert_int_equal(next_stop(server), -1);
    assert_int_equal(hear(), 's'); /* while the child has not done anything */
    assert_int_equal(ptrace(PTRACE_DETACH, child, NULL, NULL), 0);
    assert_int_equal(apart_wait(parent), 52);
}

/* ---- shortage ---- */

static int start_and_wait(void)
{
    kith_process_options options = served();
    return call_and_wait(say_that_it_was_called, &options);
}

static const struct refusal {
    long call;
    int error;
} refusals[] = {
    { SYS_memfd_create, EMFILE }, { SYS_socketpair, EMFILE },    { SYS_pidfd_open, ENFILE }, { SYS_fallocate, ENOSPC },
    { SYS_mmap, ENOMEM },         { SYS_sendmsg, ETOOMANYREFS }, { SYS_recvmsg, ENOMEM },
};

static int refuse_each(const struct refusal *refusal, int left)
{
    for (unsigned n = 1; n < 20; n++) {
        nth_refuse(refusal->call, n, refusal->error);
        int code = start_and_wait();
        bool struck = nth_relent();
        /* A server that can't answer, or be understood, is replaced. */
        EXPECT(code == (struck ? -refusal->error : 0) || (code == 0 && refusal->call == SYS_recvmsg));
        EXPECT(heard() == 0);
        EXPECT(kith_forkserver_stop() == 0 && descriptors() == left);
        EXPECT(waitpid(-1, NULL, WNOHANG) == -1);
        if (!struck)
            return n == 1; /* there was none to be refused */
    }
    return 1;
}

static int refuse_all(void)
{
    EXPECT_OR(start_and_wait() == 0 && kith_forkserver_stop() == 0, _exit(1));
    if (nth_watch() < 0)
        _exit(OF_NO_USE);
    int left = descriptors();
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        EXPECT_OR(refuse_each(&refusals[i], left) == 0, _exit(1));
    _exit(0); /* at exit, the leak sanitizer would want a thread */
}

static void a_start_that_is_refused_something_leaves_nothing_behind(void **state)
{
    (void)state;
    int outcome = apart(refuse_all);
    if (outcome == OF_NO_USE)
        skip();
    assert_int_equal(outcome, 0);
}

/* The server's kernel refuses what it needs to copy itself. */
KITH_ENTRY(preload_a_refusal)
{
    int which;
    EXPECT(kith_value_unpack(kith_call_args(call), "(i)", &which) == 0);
    int code = which == 0 ? refuse(SYS_clone, EAGAIN) : refuse_when(SYS_prctl, 0, PR_GET_TID_ADDRESS, EINVAL);
    return code < 0 ? OF_NO_USE : 0;
}

static void a_server_that_can_not_copy_itself_says_so(void **state)
{
    (void)state;
    static const int codes[] = { -EAGAIN, -ENOTSUP };
    kith_process_options options = served();
    for (int i = 0; i < 2; i++) {
        int code = kith_forkserver_start(preload_a_refusal, kith_value_pack(arena, "(i)", i));
        if (code == OF_NO_USE)
            skip();
        assert_code(code, 0);
        assert_explained(kith_process_start_entry(NULL, return_first, KITH_NO_ARGS, &options), codes[i]);
        assert_code(kith_forkserver_stop(), 0);
    }
}

/* Leaves room for so many descriptors more. */
KITH_ENTRY(preload_a_limit)
{
    int more;
    EXPECT(kith_value_unpack(kith_call_args(call), "(i)", &more) == 0);
    int next = dup(STDIN_FILENO);
    close(next);
    rlim_t limit = (rlim_t)(next + more);
    return setrlimit(RLIMIT_NOFILE, &(struct rlimit){ limit, limit });
}

static void a_server_without_descriptors_says_so(void **state)
{
    (void)state;
    kith_process_options options = served();
    for (int left = 0; left <= 3; left += 3) {
        assert_code(kith_forkserver_start(preload_a_limit, kith_value_pack(arena, "(i)", left)), 0);
        assert_explained(kith_process_start_entry(NULL, return_first, KITH_NO_ARGS, &options), -EMFILE);
        assert_code(kith_forkserver_stop(), 0);
    }
    assert_int_equal(start_and_wait(), 0);
}

int main(int argc, char **argv)
{
    if (kith_begin(argc, argv) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        ENTRY_TEST(children_have_what_the_server_preloaded),
        ENTRY_TEST(the_server_is_none_of_the_programs_children),
        ENTRY_TEST(what_is_preloaded_may_fail),
        ENTRY_TEST(children_are_whole_processes),
        ENTRY_TEST(locks_of_a_dead_child_are_free),
        ENTRY_TEST(nobody_has_descriptors_too_many),
        ENTRY_TEST(only_the_server_ignores_interrupts),
        ENTRY_TEST(a_forked_child_has_a_server_of_its_own),
        ENTRY_TEST(children_outlive_the_server),
        ENTRY_TEST(a_server_that_dies_while_it_begins_is_replaced),
        ENTRY_TEST(a_server_ends_with_its_parent),
        ENTRY_TEST(a_start_survives_a_server_that_does_not_answer),
        ENTRY_TEST(daemons_do_not_end_with_a_thread_that_knows_nothing_of_them),
        ENTRY_TEST(a_server_may_die_at_any_moment),
        ENTRY_TEST(a_child_may_die_at_any_moment),
        ENTRY_TEST(a_child_whose_server_is_dead_need_not_speak),
        ENTRY_TEST(a_start_that_is_refused_something_leaves_nothing_behind),
        ENTRY_TEST(a_server_that_can_not_copy_itself_says_so),
        ENTRY_TEST(a_server_without_descriptors_says_so),
    };
    return cmocka_run_group_tests_name("process_forkserver", tests, start_first, NULL);
}
