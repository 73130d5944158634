/* kith/process.h: the settings of a child, as it finds them itself, and what comes of those that can't be had. */
#include "alarms.h"
#include "family.h"
#include "nth.h"
#include "shortage.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* What a child with options gave to exit; or the negative code of what failed. */
static int run_with(kith_process_main body, void *argument, const kith_process_options *options)
{
    kith_process *child;
    int exit_code = 0;
    int code = kith_process_start(&child, body, argument, options);
    if (code == 0)
        code = kith_process_join(child, KITH_FOREVER);
    if (code == 0)
        code = kith_process_exit_code(child, &exit_code);
    if (code == 0)
        code = kith_process_close(child);
    return code < 0 ? code : exit_code;
}

static bool is(const char *name, const char *value)
{
    const char *found = getenv(name);
    return value ? found && strcmp(found, value) == 0 : !found;
}

/* ---- environment ---- */

static int look_at_environment(void *nothing)
{
    EXPECT(is("KITH_SET", "new=er") && is("KITH_OLD", "changed") && is("KITH_GONE", NULL));
    EXPECT(is("KITH_EMPTY", "") && is("KITH_LAST", "3") && is("KITH_KEPT", "kept") && is("KITH_NEVER", NULL));
    EXPECT(is("KITH_KEPT2", "kept, too"));
    EXPECT(setenv("KITH_OLD", "and again", 1) == 0 && is("KITH_OLD", "and again"));
    EXPECT(unsetenv("KITH_SET") == 0 && is("KITH_SET", NULL) && is("KITH_KEPT", "kept"));
    return nothing != NULL;
}

static void the_environment_is_changed(void **state)
{
    (void)state;
    const char *const changes[] = { "KITH_SET=new=er", "KITH_OLD=changed", "KITH_GONE",  "KITH_EMPTY=",   "KITH_LAST=1",
                                    "KITH_LAST",       "KITH_LAST=3",      "KITH_NEVER", "KITH_KEPT2x=1", NULL };
    setenv("KITH_OLD", "old", 1);
    setenv("KITH_GONE", "there", 1);
    setenv("KITH_KEPT", "kept", 1);
    setenv("KITH_KEPT2", "kept, too", 1);
    char **before = environ;
    assert_int_equal(run_with(look_at_environment, NULL, &(kith_process_options){ .environment = changes }), 0);
    assert_ptr_equal(environ, before);
    assert_true(is("KITH_OLD", "old") && is("KITH_GONE", "there") && is("KITH_SET", NULL));
}

static int look_at_clean_environment(void *count)
{
    int found = 0;
    while (environ[found])
        found++;
    EXPECT(found == *(int *)count);
    EXPECT(found == 0 || (is("KITH_ONE", "1") && is("KITH_TWO", "2")));
    EXPECT(is("PATH", NULL));
    return 0;
}

static void a_clean_environment_has_what_is_given(void **state)
{
    (void)state;
    const char *const changes[] = { "KITH_ONE=1", "PATH", "KITH_TWO=2", NULL };
    const kith_process_options few = { .clean_environment = 1, .environment = changes };
    const kith_process_options none = { .clean_environment = 1 };
    assert_int_equal(run_with(look_at_clean_environment, &(int){ 2 }, &few), 0);
    assert_int_equal(run_with(look_at_clean_environment, &(int){ 0 }, &none), 0);
}

/* ---- directory ---- */

static char elsewhere[] = "/proc";

static int look_at_directory(void *expected)
{
    char path[4096];
    EXPECT(getcwd(path, sizeof path) && strcmp(path, expected) == 0);
    return 0;
}

static void the_directory_is_the_childs_alone(void **state)
{
    (void)state;
    char path[4096];
    assert_non_null(getcwd(path, sizeof path));
    assert_int_equal(run_with(look_at_directory, elsewhere, &(kith_process_options){ .directory = elsewhere }), 0);
    assert_int_equal(run(look_at_directory, path), 0);
    assert_int_equal(look_at_directory(path), 0);
}

/* ---- streams ---- */

static int upper(void *nothing)
{
    char text[100] = "";
    EXPECT(descriptors() == descriptors_before + PIPES);
    EXPECT(fgets(text, sizeof text, stdin));
    printf("out: %s", text);
    fprintf(stderr, "err: %s", text);
    EXPECT(!fgets(text, sizeof text, stdin) && feof(stdin));
    return nothing != NULL;
}

static void read_all(int descriptor, char *text, size_t size)
{
    size_t length = 0;
    for (ssize_t got = 1; got > 0; length += (size_t)got) {
        assert_true(readable(descriptor, PATIENCE));
        got = read(descriptor, text + length, size - 1 - length);
        assert_true(got >= 0);
    }
    text[length] = 0;
    close(descriptor);
}

static void expect_text(int descriptor, const char *expected)
{
    char text[1000];
    read_all(descriptor, text, sizeof text);
    assert_string_equal(text, expected);
}

static void streams_go_through_pipes(void **state)
{
    (void)state;
    kith_stdio streams[] = { { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_PIPE } };
    kith_process *child = start(upper, NULL, &(kith_process_options){ .stdio = streams });
    for (int i = 0; i < 3; i++)
        assert_int_equal(fcntl(streams[i].fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(descriptors(), descriptors_before + PIPES + 3 + 1); /* and the child's sentinel */
    assert_int_equal(write(streams[0].fd, "hello\n", 6), 6);
    close(streams[0].fd);
    expect_text(streams[1].fd, "out: hello\n");
    expect_text(streams[2].fd, "err: hello\n");
    finish(child, 0);
}

static int look_at_nothing(void *nothing)
{
    struct stat null, found;
    EXPECT(stat("/dev/null", &null) == 0);
    for (int i = 0; i < 2; i++)
        EXPECT(fstat(i, &found) == 0 && found.st_rdev == null.st_rdev && S_ISCHR(found.st_mode));
    EXPECT(fstat(2, &found) == 0 && found.st_rdev != null.st_rdev);
    EXPECT(getchar() == EOF && puts("x") >= 0 && fflush(stdout) == 0);
    EXPECT(fcntl(0, F_GETFD) == 0);
    return nothing != NULL;
}

static void streams_go_nowhere(void **state)
{
    (void)state;
    kith_stdio streams[] = { { .kind = KITH_STDIO_NULL }, { .kind = KITH_STDIO_NULL }, { .kind = KITH_STDIO_FD } };
    streams[2].fd = living[1];
    assert_int_equal(run_with(look_at_nothing, NULL, &(kith_process_options){ .stdio = streams }), 0);
}

static int print_both(void *nothing)
{
    printf("out ");
    fflush(stdout);
    fprintf(stderr, "err ");
    return nothing != NULL;
}

static void stderr_goes_where_stdout_goes(void **state)
{
    (void)state;
    kith_stdio streams[] = { { 0 }, { .kind = KITH_STDIO_FD, .fd = living[1] }, { .kind = KITH_STDIO_STDOUT } };
    assert_int_equal(run_with(print_both, NULL, &(kith_process_options){ .stdio = streams }), 0);
    give_living_away();
    expect_text(living[0], "out err ");
    living[0] = open("/dev/null", O_RDONLY | O_CLOEXEC); /* for the teardown */
}

static int print_crossed(void)
{
    kith_stdio streams[] = { { .kind = KITH_STDIO_FD, .fd = 0 },
                             { .kind = KITH_STDIO_FD, .fd = 2 },
                             { .kind = KITH_STDIO_FD, .fd = 1 } };
    EXPECT(dup2(said[1], STDOUT_FILENO) == STDOUT_FILENO && dup2(living[1], STDERR_FILENO) == STDERR_FILENO);
    int before = descriptors();
    EXPECT(run_with(print_both, NULL, &(kith_process_options){ .stdio = streams }) == 0);
    EXPECT(descriptors() == before + 1); /* this process's sentinel, for its first child */
    return 0;
}

static void streams_may_change_places(void **state)
{
    (void)state;
    char text[10] = "";
    assert_int_equal(apart(print_crossed), 0);
    give_living_away();
    read_until_dead(text, sizeof text);
    assert_string_equal(text, "out ");
    assert_int_equal(read(said[0], text, sizeof text), 4);
    assert_memory_equal(text, "err ", 4);
}

static int expect_x(void *nothing)
{
    EXPECT(getchar() == 'x' && getchar() == EOF);
    return nothing != NULL;
}

/* Its stdin has been read beyond what the program asked for, and it has no stdout and stderr at all. */
static int start_with_read_ahead(void)
{
    EXPECT(write(go[1], "abc", 3) == 3);
    EXPECT(dup2(go[0], STDIN_FILENO) == STDIN_FILENO && getchar() == 'a');
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    kith_stdio streams[] = { { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_NULL } };
    kith_process *child;
    int exit_code = -1;
    if (kith_process_start(&child, expect_x, NULL, &(kith_process_options){ .stdio = streams }) < 0)
        return 2;
    if (streams[0].fd < 3 || streams[1].fd < 3 || write(streams[0].fd, "x", 1) != 1 || close(streams[0].fd) < 0)
        return 3;
    if (kith_process_join(child, KITH_FOREVER) < 0 || kith_process_exit_code(child, &exit_code) < 0)
        return 4;
    return exit_code ? 5 : getchar() == 'b' ? 0 : 6;
}

static void what_the_parent_has_read_is_the_parents(void **state)
{
    (void)state;
    assert_int_equal(apart(start_with_read_ahead), 0);
}

/* A child that another thread is just starting must not keep a pipe open. */
static void *start_others(void *nothing)
{
    kith_process *child;
    intptr_t failures = 0;
    for (int i = 0; i < 8; i++)
        failures += kith_process_start(NULL, wait_and_return, NULL, NULL) != 0;
    failures += kith_process_start(&child, return_it, nothing, NULL) != 0;
    failures += kith_process_join(child, KITH_FOREVER) != 0 || kith_process_close(child) != 0;
    return (void *)failures;
}

static void pipes_end_with_their_child(void **state)
{
    (void)state;
    pthread_t thread;
    void *failures;
    assert_int_equal(pthread_create(&thread, NULL, start_others, NULL), 0);
    for (int i = 0; i < 8; i++) {
        kith_stdio streams[] = { { 0 }, { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_STDOUT } };
        kith_process *child = start(print_both, NULL, &(kith_process_options){ .stdio = streams });
        expect_text(streams[1].fd, "out err ");
        finish(child, 0);
    }
    for (int i = 0; i < 8; i++)
        let_go();
    pthread_join(thread, &failures);
    assert_int_equal((intptr_t)failures, 0);
    while (kith_process_active_children(NULL, 0) > 0)
        sched_yield();
}

/* ---- limits, niceness, CPUs, death signal ---- */

static int look_at_limits(void *nothing)
{
    struct rlimit files, core;
    EXPECT(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == 100 && files.rlim_max == 200);
    EXPECT(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
    return nothing != NULL;
}

static void limits_are_set(void **state)
{
    (void)state;
    const kith_process_limit limits[] = { { RLIMIT_NOFILE, 100, 200 }, { RLIMIT_CORE, 0, 0 } };
    const kith_process_options options = { .limits = limits, .limit_count = 2 };
    assert_int_equal(run_with(look_at_limits, NULL, &options), 0);
}

enum { MEGABYTE = 1 << 20 };

static int look_at_memory(void *cap)
{
    struct rlimit limit;
    EXPECT(getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur == *(size_t *)cap && limit.rlim_max == *(size_t *)cap);
#ifndef SHORTAGE_IS_IMPOSSIBLE /* sanitizers have more than that already */
    const size_t much = 300 * (size_t)MEGABYTE, little = 10 * (size_t)MEGABYTE;
    void *volatile refused = malloc(much), *volatile given = malloc(little);
    EXPECT(!refused && given);
    free(given);
    void *shared = mmap(NULL, much, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT(shared != MAP_FAILED && munmap(shared, much) == 0);
#endif
    return 0;
}

static void memory_is_capped(void **state)
{
    (void)state;
    size_t cap = 200 * (size_t)MEGABYTE;
    const kith_process_options options = { .max_memory = cap };
    assert_int_equal(run_with(look_at_memory, &cap, &options), 0);
}

static int look_at_niceness(void *expected)
{
    EXPECT(getpriority(PRIO_PROCESS, 0) == *(int *)expected);
    return 0;
}

static int start_below_a_cap(void)
{
    size_t cap = 200 * (size_t)MEGABYTE;
    const struct rlimit limit = { cap, cap };
    EXPECT(setrlimit(RLIMIT_DATA, &limit) == 0);
    EXPECT(run_with(look_at_memory, &cap, &(kith_process_options){ .max_memory = 2 * cap }) == 0);
    return 0;
}

static void a_cap_does_not_lift_another(void **state)
{
    (void)state;
#ifdef SHORTAGE_IS_IMPOSSIBLE
    skip();
#endif
    assert_int_equal(apart(start_below_a_cap), 0);
}

static void niceness_is_added(void **state)
{
    (void)state;
    int before = getpriority(PRIO_PROCESS, 0);
    int expected = before + 3 < 19 ? before + 3 : 19;
    assert_int_equal(run_with(look_at_niceness, &expected, &(kith_process_options){ .nice = 3 }), 0);
    assert_int_equal(run_with(look_at_niceness, &(int){ 19 }, &(kith_process_options){ .nice = 39 }), 0);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

static int look_at_cpus(void *cpu)
{
    cpu_set_t set;
    EXPECT(kith_cpu_count() == 1);
    EXPECT(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1 && CPU_ISSET(*(unsigned *)cpu, &set));
    return 0;
}

static void only_some_cpus_are_used(void **state)
{
    (void)state;
    cpu_set_t all;
    unsigned cpus[2] = { 0, 60000 }; /* what is not there is left out */
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    while (cpus[0] < CPU_SETSIZE && !CPU_ISSET(cpus[0], &all))
        cpus[0]++;
    const kith_process_options options = { .cpus = cpus, .cpu_count = 2 };
    assert_int_equal(run_with(look_at_cpus, &cpus[0], &options), 0);
}

static int look_at_death_signal(void *expected)
{
    int number;
    EXPECT(prctl(PR_GET_PDEATHSIG, &number) == 0 && number == *(int *)expected);
    return 0;
}

static void the_death_signal_is_known_to_the_kernel(void **state)
{
    (void)state;
    const kith_process_options child = { .death_signal = SIGUSR2 };
    const kith_process_options daemon = { .death_signal = SIGUSR2, .daemon = 1 };
    assert_int_equal(run_with(look_at_death_signal, &(int){ SIGUSR2 }, &child), 0);
    assert_int_equal(run_with(look_at_death_signal, &(int){ SIGKILL }, &daemon), 0);
    assert_int_equal(run(look_at_death_signal, &(int){ 0 }), 0);
}

static int look_at_all(void *nothing)
{
    struct rlimit files;
    EXPECT(is("KITH_ALL", "all") && look_at_directory(elsewhere) == 0 && look_at_death_signal(&(int){ SIGUSR1 }) == 0);
    EXPECT(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == 2);
    EXPECT(getpriority(PRIO_PROCESS, 0) == 19);
    return print_both(nothing);
}

/* One must not be in the way of another: a limit of descriptors, for example, of the streams. */
static void all_of_it_goes_together(void **state)
{
    (void)state;
    const char *const changes[] = { "KITH_ALL=all", NULL };
    const kith_process_limit limit = { RLIMIT_NOFILE, 2, 2 };
    kith_stdio streams[] = { { .kind = KITH_STDIO_NULL }, { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_STDOUT } };
    const kith_process_options options = { .environment = changes,
                                           .directory = elsewhere,
                                           .stdio = streams,
                                           .limits = &limit,
                                           .limit_count = 1,
                                           .nice = 39,
                                           .max_memory = UINT64_MAX - 1,
                                           .death_signal = SIGUSR1 };
    kith_process *child = start(look_at_all, NULL, &options);
    expect_text(streams[1].fd, "out err ");
    finish(child, 0);
}

/* ---- what is refused ---- */

static void expect_refusal(const kith_process_options *options, int code, const char *detail)
{
    kith_process *child = NULL;
    int before = descriptors();
    assert_code(kith_process_start(&child, say_that_it_ran, NULL, options), code);
    if (!strstr(kith_error_detail(), detail))
        fail_msg("the detail does not tell of %s: %s", detail, kith_error_detail());
    assert_null(child);
    assert_int_equal(heard(), 0);
    assert_int_equal(kith_process_active_children(NULL, 0), 0);
    assert_int_equal(descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void expect_bad_streams(kith_stdio in, kith_stdio out, kith_stdio err, int code, const char *detail)
{
    kith_stdio streams[] = { in, out, err };
    expect_refusal(&(kith_process_options){ .stdio = streams }, code, detail);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    const char *const empty[] = { "OK=1", "", NULL }, *const nameless[] = { "=value", NULL };
    const kith_process_limit unknown = { 1000, 1, 1 }, negative = { -1, 1, 1 }, crossed = { RLIMIT_NOFILE, 2, 1 };
    const kith_process_limit data = { RLIMIT_DATA, MEGABYTE, MEGABYTE };
    const kith_process_fd fd = { "in", 0 };
    const unsigned cpu = 65536;
    expect_refusal(&(kith_process_options){ .environment = empty }, -EINVAL, "environment");
    expect_refusal(&(kith_process_options){ .environment = nameless }, -EINVAL, "environment");
    expect_refusal(&(kith_process_options){ .limit_count = 1 }, -EINVAL, "limits");
    expect_refusal(&(kith_process_options){ .limits = &unknown, .limit_count = 1 }, -EINVAL, "limits[0]");
    expect_refusal(&(kith_process_options){ .limits = &negative, .limit_count = 1 }, -EINVAL, "limits[0]");
    expect_refusal(&(kith_process_options){ .limits = &crossed, .limit_count = 1 }, -EINVAL, "limits[0]");
    expect_refusal(&(kith_process_options){ .limits = &data, .limit_count = 1, .max_memory = 1 }, -EINVAL,
                   "max_memory");
    expect_refusal(&(kith_process_options){ .cpu_count = 1 }, -EINVAL, "cpus");
    expect_refusal(&(kith_process_options){ .cpus = &cpu }, -EINVAL, "cpu_count");
    expect_refusal(&(kith_process_options){ .cpus = &cpu, .cpu_count = 1 }, -EINVAL, "cpus[0]");
    expect_refusal(&(kith_process_options){ .nice = -41 }, -EINVAL, "nice");
    expect_refusal(&(kith_process_options){ .nice = 40 }, -EINVAL, "nice");
    expect_refusal(&(kith_process_options){ .death_signal = -1 }, -EINVAL, "death_signal");
    expect_refusal(&(kith_process_options){ .death_signal = 65 }, -EINVAL, "death_signal");
    expect_refusal(&(kith_process_options){ .method = KITH_SPAWN }, -EINVAL, "entry");
    expect_refusal(&(kith_process_options){ .method = KITH_FORKSERVER }, -EINVAL, "entry");
    expect_refusal(&(kith_process_options){ .fds = &fd, .fd_count = 1 }, -EINVAL, "fds");
}

static void bad_streams_are_refused(void **state)
{
    (void)state;
    const kith_stdio stays = { 0 }, as_stdout = { .kind = KITH_STDIO_STDOUT }, unknown = { .kind = (kith_stdio_kind)5 };
    const kith_stdio negative = { .kind = KITH_STDIO_FD, .fd = -1 }, closed = { .kind = KITH_STDIO_FD, .fd = 1000 };
    expect_bad_streams(as_stdout, stays, stays, -EINVAL, "stdin");
    expect_bad_streams(stays, as_stdout, stays, -EINVAL, "stdout");
    expect_bad_streams(stays, stays, unknown, -EINVAL, "stderr");
    expect_bad_streams(negative, stays, stays, -EBADF, "stdin");
    expect_bad_streams(stays, closed, stays, -EBADF, "stdout");
}

static void what_the_child_can_not_have_fails_the_start(void **state)
{
    (void)state;
    const kith_process_limit many = { RLIMIT_NOFILE, 1, UINT64_MAX - 1 }; /* more than the system has for anybody */
    const kith_process_limit two[] = { { RLIMIT_CORE, 0, 0 }, many };
    const unsigned cpus[] = { 60000, 60001 };
    expect_refusal(&(kith_process_options){ .directory = "/nowhere/at/all" }, -ENOENT, "/nowhere/at/all");
    expect_refusal(&(kith_process_options){ .directory = "" }, -ENOENT, "directory");
    expect_refusal(&(kith_process_options){ .directory = "/dev/null" }, -ENOTDIR, "directory");
    expect_refusal(&(kith_process_options){ .limits = &many, .limit_count = 1 }, -EPERM, "limits[0]");
    expect_refusal(&(kith_process_options){ .limits = two, .limit_count = 2 }, -EPERM, "limits[1]");
    expect_refusal(&(kith_process_options){ .cpus = cpus, .cpu_count = 2 }, -EINVAL, "cpus");
    /* Pipes that were made for it go, too, and nothing is written to the options. */
    kith_stdio streams[] = { { .kind = KITH_STDIO_PIPE, .fd = -7 }, { .kind = KITH_STDIO_PIPE, .fd = -7 }, { 0 } };
    expect_refusal(&(kith_process_options){ .stdio = streams, .directory = "/nowhere" }, -ENOENT, "directory");
    assert_int_equal(streams[0].fd, -7);
    assert_int_equal(streams[1].fd, -7);
    assert_int_equal(run(return_it, &(int){ 9 }), 9);
}

static int be_less_nice(void)
{
    const struct rlimit none = { 0, 0 };
    kith_process *child = NULL;
    EXPECT(setrlimit(RLIMIT_NICE, &none) == 0);
    EXPECT(geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
    EXPECT(kith_process_start(&child, say_that_it_ran, NULL, &(kith_process_options){ .nice = -1 }) == -EPERM);
    EXPECT(strstr(kith_error_detail(), "nice") && !child && !heard());
    _exit(0); /* without its rights, the leak sanitizer would wait for ever at exit */
}

static void to_be_less_nice_takes_rights(void **state)
{
    (void)state;
    assert_int_equal(apart(be_less_nice), 0);
}

/* ---- when something comes in between ---- */

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
    (void)number;
    alarms++;
    if (alarms == 3)
        say('3');
}

static void have_alarms(void)
{
    alarms_on(count_alarm, 0);
}

static void wait_for_three(void)
{
    while (hear() != '3')
        continue;
}

/* The child does not go on before its parent has run some handlers, which wakes that from its wait for the report. */
static int start_with_alarms(void)
{
    EXPECT(pthread_atfork(NULL, have_alarms, wait_for_three) == 0);
    kith_process *child;
    int code = kith_process_start(&child, return_it, NULL, &(kith_process_options){ .directory = "/" });
    alarms_off();
    EXPECT(code == 0 && alarms >= 3);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_close(child) == 0);
    return 0;
}

static void a_signal_handler_does_not_disturb_a_start(void **state)
{
    (void)state;
    assert_int_equal(apart(start_with_alarms), 0);
}

static bool to_be_killed;

static void die_in_the_child(void)
{
    if (to_be_killed)
        raise(SIGKILL);
}

/* How such a child ended is told as with any other. */
static int start_one_that_dies(void)
{
    EXPECT(pthread_atfork(NULL, NULL, die_in_the_child) == 0);
    to_be_killed = true;
    EXPECT(run_with(say_that_it_ran, NULL, &(kith_process_options){ .directory = "/" }) == -SIGKILL);
    EXPECT(!heard());
    return 0;
}

static void a_child_may_die_before_it_reports(void **state)
{
    (void)state;
    assert_int_equal(apart(start_one_that_dies), 0);
}

/* ---- shortage: each step fails once, and leaves nothing behind ---- */

/* @return what kith_process_start gave, for a child with much that can fail; -1000 when something was left behind */
static int start_much(void)
{
    static const char *const changes[] = { "KITH_ONE=1", NULL };
    kith_stdio streams[] = { { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_NULL } };
    const kith_process_options options = { .name = "name", .environment = changes, .stdio = streams, .directory = "/" };
    kith_process *child;
    int code = kith_process_start(&child, return_it, NULL, &options);
    if (code == 0) {
        EXPECT_OR(close(streams[0].fd) == 0 && close(streams[1].fd) == 0, return -1000);
        EXPECT_OR(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_close(child) == 0, return -1000);
    }
    EXPECT_OR(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, return -1000);
    return code;
}

static int run_out_of_memory(void)
{
    unsigned n = 0;
    bool struck = true;
    EXPECT(start_much() == 0);
    int before = descriptors();
    while (struck) {
        shortage_begin(++n);
        int code = start_much();
        struck = shortage_end();
        EXPECT(code == 0 || (struck && code == -ENOMEM)); /* the C library can do without some pieces */
        EXPECT(shortage.pieces == 0 && descriptors() == before);
    }
    EXPECT(n > 3);
    return 0;
}

static void no_memory(void **state)
{
    (void)state;
#ifdef SHORTAGE_IS_IMPOSSIBLE
    skip();
#endif
    assert_int_equal(apart(run_out_of_memory), 0);
}

static int run_out_of_descriptors(void)
{
    enum { LIMIT = 64 };
    int spare[LIMIT], count = 0, needed = 0, code;
    const struct rlimit limit = { LIMIT, LIMIT };
    EXPECT(start_much() == 0);
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (count < LIMIT && (spare[count] = dup(0)) >= 0)
        count++;
    while ((code = start_much()) == -EMFILE) {
        close(spare[--count]);
        needed++;
    }
    EXPECT(code == 0);
    EXPECT(needed == 8); /* the report's two, each pipe's, one of /dev/null, the sentinel */
    int free_ones = 0;
    while (free_ones < LIMIT && (spare[count] = dup(0)) >= 0) {
        count++;
        free_ones++;
    }
    EXPECT(free_ones == needed); /* nothing was lost on the way */
    while (count > 0)
        close(spare[--count]);
    return 0;
}

static void no_descriptors(void **state)
{
    (void)state;
    assert_int_equal(apart(run_out_of_descriptors), 0);
}

/* Each call that a start makes is refused in turn, where the filter can tell them. */
static int refuse_calls(void)
{
    const struct {
        long call;
        int error;
    } calls[] = { { SYS_clone, EAGAIN }, { SYS_pidfd_open, ENFILE }, { SYS_pipe2, ENFILE }, { SYS_ppoll, ENOMEM } };
    EXPECT(start_much() == 0);
    if (nth_watch() < 0)
        return 77;
    int before = descriptors();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        bool struck = true;
        for (unsigned n = 1; struck; n++) {
            nth_refuse(calls[i].call, n, calls[i].error);
            kith_process *child = NULL;
            kith_stdio streams[] = { { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_PIPE }, { 0 } };
            const kith_process_options options = { .stdio = streams, .directory = "/" };
            int code = kith_process_start(&child, wait_and_return, NULL, &options);
            struck = nth_relent();
            EXPECT(code == (struck ? -calls[i].error : 0));
            if (code == 0) {
                EXPECT(close(streams[0].fd) == 0 && close(streams[1].fd) == 0);
                EXPECT(kith_process_stop(child, KITH_NOWAIT) == 0 && kith_process_close(child) == 0);
            }
            EXPECT(descriptors() == before && waitpid(-1, NULL, WNOHANG) == -1);
            EXPECT(n > 1 || struck);
        }
    }
    _exit(0); /* at exit, the leak sanitizer would want what the filter watches */
}

static void the_system_refuses(void **state)
{
    (void)state;
    int outcome = apart(refuse_calls);
    if (outcome == 77)
        skip();
    assert_int_equal(outcome, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_environment_is_changed),
        TEST(a_clean_environment_has_what_is_given),
        TEST(the_directory_is_the_childs_alone),
        TEST(streams_go_through_pipes),
        TEST(streams_go_nowhere),
        TEST(stderr_goes_where_stdout_goes),
        TEST(streams_may_change_places),
        TEST(what_the_parent_has_read_is_the_parents),
        TEST(pipes_end_with_their_child),
        TEST(limits_are_set),
        TEST(memory_is_capped),
        TEST(a_cap_does_not_lift_another),
        TEST(niceness_is_added),
        TEST(only_some_cpus_are_used),
        TEST(the_death_signal_is_known_to_the_kernel),
        TEST(all_of_it_goes_together),
        TEST(options_out_of_range_are_refused),
        TEST(bad_streams_are_refused),
        TEST(what_the_child_can_not_have_fails_the_start),
        TEST(to_be_less_nice_takes_rights),
        TEST(a_signal_handler_does_not_disturb_a_start),
        TEST(a_child_may_die_before_it_reports),
        TEST(no_memory),
        TEST(no_descriptors),
        TEST(the_system_refuses),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
