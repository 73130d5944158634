/* kith/sync.h and kith/memory.h: all kinds of objects by name and by descriptor. The names have this process's id in
 * them. */
#include "apart.h"
#include "crew.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

/** What each kind has; its own types and options are behind it. */
struct kind {
    const char *noun;
    int (*make)(void **);
    int (*open)(void **, const char *name, kith_open how);
    int (*unlink)(const char *name);
    int (*share_fd)(const void *);
    int (*from_fd)(void **, int fd);
    void (*free)(void *);
    int (*use)(void *);           /* changes something that others see */
    int (*is_used)(void *handle); /* whether that is so; else it is as new */
};

/* The functions of a kind, each taking what it takes. "made" and "opened" are the arguments for what is made. */
#define KIND(name, made, opened, descriptor)                                   \
    static int name##_make(void **handle)                                      \
    {                                                                          \
        return kith_##name##_new((kith_##name **)handle made);                 \
    }                                                                          \
    static int name##_open(void **handle, const char *called, kith_open how)   \
    {                                                                          \
        return kith_##name##_open((kith_##name **)handle, called, how opened); \
    }                                                                          \
    static int name##_share_fd(const void *handle)                             \
    {                                                                          \
        return kith_##name##_share_fd(handle);                                 \
    }                                                                          \
    static int name##_from_fd(void **handle, int fd)                           \
    {                                                                          \
        return kith_##name##_from_fd((kith_##name **)handle, fd descriptor);   \
    }                                                                          \
    static void name##_free(void *handle)                                      \
    {                                                                          \
        kith_##name##_free(handle);                                            \
    }
#define AND(...) , __VA_ARGS__
#define NOTHING

/* clang-format off */
KIND(lock, AND(NULL), AND(NULL), NOTHING)
KIND(semaphore, AND(3, NULL), AND(3, NULL), NOTHING)
KIND(condition, AND(NULL), NOTHING, AND(NULL))
KIND(event, NOTHING, NOTHING, NOTHING)
KIND(barrier, AND(2, NULL), AND(2, NULL), AND(NULL))
/* clang-format on */

static int lock_use(void *lock)
{
    return kith_lock_acquire(lock, KITH_NOWAIT);
}

static int lock_is_used(void *lock)
{
    int code = kith_lock_acquire(lock, KITH_NOWAIT);
    if (code == 0)
        kith_lock_release(lock);
    return code != 0;
}

static int semaphore_use(void *semaphore)
{
    return kith_semaphore_acquire(semaphore, KITH_NOWAIT);
}

static int semaphore_is_used(void *semaphore)
{
    return kith_semaphore_value(semaphore) != 3;
}

static int condition_use(void *condition)
{
    return kith_condition_acquire(condition, KITH_NOWAIT);
}

static int condition_is_used(void *condition)
{
    int code = kith_condition_acquire(condition, KITH_NOWAIT);
    if (code == 0)
        kith_condition_release(condition);
    return code != 0;
}

static int event_use(void *event)
{
    return kith_event_set(event);
}

static int event_is_used(void *event)
{
    return kith_event_is_set(event) != 0;
}

static int barrier_use(void *barrier)
{
    return kith_barrier_abort(barrier);
}

static int barrier_is_used(void *barrier)
{
    return kith_barrier_broken(barrier) != 0 || kith_barrier_parties(barrier) != 2;
}

#define KIND_ROW(name)                                                                                       \
    {                                                                                                        \
#name, name##_make, name##_open, kith_##name##_unlink, name##_share_fd, name##_from_fd, name##_free, \
            name##_use, name##_is_used                                                                       \
    }

static const struct kind kinds[] = { KIND_ROW(lock), KIND_ROW(semaphore), KIND_ROW(condition), KIND_ROW(event),
                                     KIND_ROW(barrier) };

enum { KINDS = sizeof kinds / sizeof *kinds };

/** The kind under test, and its name in this test. */
static const struct kind *kind;
static char name[40], path[80];
static int before; /* descriptors */

static int begin(void **state)
{
    before = descriptors();
    snprintf(name, sizeof name, "test-sync-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/kith.%s", name);
    return setup(state);
}

static int end(void **state)
{
    unlink(path);
    assert_int_equal(descriptors(), before);
    return teardown(state);
}

static void *opened(kith_open how)
{
    void *handle = NULL;
    assert_code(kind->open(&handle, name, how), 0);
    assert_non_null(handle);
    return handle;
}

static int open_use_and_sleep(void *how)
{
    void *handle;
    EXPECT(kind->open(&handle, name, *(kith_open *)how) == 0);
    EXPECT(kind->use(handle) == 0);
    atomic_fetch_add(&board->step, 1);
    return sleep_until_killed();
}

/** Leaves an object in use by nobody who lives. */
static void leave_stale(void)
{
    kith_open how = KITH_CREATE;
    atomic_store(&board->step, 0);
    pid_t pid = child(open_use_and_sleep, &how);
    wait_for_step(1);
    kill_child(pid);
}

static void others_find_it_by_its_name(void)
{
    kith_open how = KITH_OPEN;
    void *handle = opened(KITH_CREATE);
    assert_false(kind->is_used(handle));
    pid_t pid = child(open_use_and_sleep, &how);
    wait_for_step(1);
    assert_true(kind->is_used(handle));
    kill_child(pid);
    assert_code(kind->unlink(name), 0);
    assert_explained(kind->unlink(name), -ENOENT);
    kind->free(handle);
    assert_explained(kind->open(&handle, name, KITH_OPEN), -ENOENT);
}

static void each_way_to_open_does_what_it_says(void)
{
    void *other;
    assert_explained(kind->open(&other, name, KITH_OPEN), -ENOENT);
    assert_explained(kind->open(&other, name, (kith_open)0), -EINVAL);
    assert_explained(kind->open(NULL, name, KITH_OPEN_OR_CREATE), -EINVAL);
    void *handle = opened(KITH_OPEN_OR_CREATE);
    assert_explained(kind->open(&other, name, KITH_CREATE), -EEXIST);
    kind->free(opened(KITH_OPEN));
    kind->free(opened(KITH_OPEN_OR_CREATE));
    kind->free(handle);
}

static void what_is_stale_starts_anew(void)
{
    for (kith_open how = KITH_OPEN; how <= KITH_OPEN_OR_CREATE; how++) {
        leave_stale();
        void *handle = opened(how);
        assert_false(kind->is_used(handle));
        kind->free(handle);
        assert_code(kind->unlink(name), 0);
    }
}

static void another_kind_is_refused(void)
{
    void *handle = opened(KITH_CREATE), *other;
    for (int i = 0; i < KINDS; i++) {
        if (&kinds[i] == kind)
            continue;
        assert_explained(kinds[i].open(&other, name, KITH_OPEN), -EINVAL);
        assert_explained(kinds[i].open(&other, name, KITH_OPEN_OR_CREATE), -EINVAL);
        assert_explained(kinds[i].unlink(name), -EINVAL);
    }
    kind->free(handle);
}

static void patch_layout(void)
{
    const uint32_t layout = 999;
    int file = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, &layout, sizeof layout, 12), sizeof layout);
    close(file);
}

static void another_layout_is_refused(void)
{
    void *handle = opened(KITH_CREATE), *other;
    patch_layout();
    assert_explained(kind->open(&other, name, KITH_OPEN), KITH_ELAYOUT);
    assert_explained(kind->open(&other, name, KITH_OPEN_OR_CREATE), KITH_ELAYOUT);
    kind->free(handle);
    assert_explained(kind->open(&other, name, KITH_OPEN), KITH_ELAYOUT);
    handle = opened(KITH_OPEN_OR_CREATE); /* it is stale */
    assert_false(kind->is_used(handle));
    kind->free(handle);
    kind->free(opened(KITH_OPEN));
}

static void what_others_may_open_is_not_trusted(void)
{
    void *handle = opened(KITH_CREATE), *other;
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0666), 0);
    for (kith_open how = KITH_OPEN; how <= KITH_OPEN_OR_CREATE; how++)
        assert_explained(kind->open(&other, name, how), -EACCES);
    assert_explained(kind->unlink(name), -EACCES);
    assert_int_equal(chmod(path, 0600), 0);
    if (chown(path, 1, (gid_t)-1) == 0) { /* only root can give a file away */
        assert_explained(kind->open(&other, name, KITH_OPEN), -EACCES);
        assert_explained(kind->unlink(name), -EACCES);
    }
    kind->free(handle);
}

static void a_name_is_a_name(void)
{
    char longest[KITH_NAME_MAX + 2];
    const char *const bad[] = { NULL, "", "a/b", longest };
    void *handle;
    memset(longest, 'x', sizeof longest);
    memcpy(longest, name, strlen(name));
    longest[KITH_NAME_MAX + 1] = '\0';
    for (int i = 0; i < 4; i++) {
        assert_explained(kind->open(&handle, bad[i], KITH_OPEN_OR_CREATE), -EINVAL);
        assert_explained(kind->unlink(bad[i]), -EINVAL);
    }
    longest[KITH_NAME_MAX] = '\0';
    assert_code(kind->open(&handle, longest, KITH_CREATE), 0);
    assert_code(kind->unlink(longest), 0);
    kind->free(handle);
}

static int use_by_descriptor(void *fd)
{
    void *handle;
    EXPECT(kind->from_fd(&handle, *(int *)fd) == 0);
    EXPECT(kind->use(handle) == 0);
    atomic_fetch_add(&board->step, 1);
    return sleep_until_killed();
}

static void it_goes_by_descriptor(void)
{
    void *handle = NULL, *again = NULL;
    assert_code(kind->make(&handle), 0);
    assert_int_equal(fcntl(kind->share_fd(handle), F_GETFD), FD_CLOEXEC);
    int fd = dup(kind->share_fd(handle));
    assert_true(fd >= 0);
    pid_t pid = child(use_by_descriptor, &fd);
    wait_for_step(1);
    assert_true(kind->is_used(handle));
    kind->free(handle);
    assert_code(kind->from_fd(&again, fd), 0);
    close(fd);
    assert_true(kind->is_used(again)); /* it lives as long as anybody has it */
    kill_child(pid);
    kind->free(again);
}

static void other_descriptors_are_refused(void)
{
    void *handle = NULL, *other;
    int ends[2], empty = memfd_create("empty", MFD_CLOEXEC);
    assert_int_equal(pipe(ends), 0);
    assert_code(kind->make(&handle), 0);
    int fd = kind->share_fd(handle);
    for (int i = 0; i < KINDS; i++) {
        if (&kinds[i] != kind)
            assert_explained(kinds[i].from_fd(&other, fd), -EINVAL);
    }
    assert_explained(kind->from_fd(&other, ends[0]), -EINVAL);
    assert_explained(kind->from_fd(&other, empty), -EINVAL);
    assert_explained(kind->from_fd(NULL, fd), -EINVAL);
    assert_explained(kind->share_fd(NULL), -EINVAL);
    close(empty);
    close(ends[0]);
    close(ends[1]);
    kind->free(handle);
    assert_explained(kind->from_fd(&other, fd), -EBADF);
}

/** In a process that may open no more descriptors. */
static int want_descriptors(void *made)
{
    void *handle;
    struct rlimit limit = { 1, 1 };
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(kind->make(&handle) == -EMFILE);
    EXPECT(kind->open(&handle, name, KITH_CREATE) == -EMFILE);
    EXPECT(kind->open(&handle, name, KITH_OPEN_OR_CREATE) == -EMFILE);
    EXPECT(kind->from_fd(&handle, kind->share_fd(made)) == -EMFILE);
    return 0;
}

static void without_descriptors_it_says_so(void)
{
    void *handle = NULL;
    assert_code(kind->make(&handle), 0);
    assert_int_equal(status_of(child(want_descriptors, handle)), 0);
    kind->free(handle);
}

/** Runs a test for each kind. */
static void for_all_kinds(void **state)
{
    void (*test)(void) = *(void (**)(void)) * state;
    for (int i = 0; i < KINDS; i++) {
        kind = &kinds[i];
        atomic_store(&board->step, 0);
        unlink(path);
        test();
    }
}

/* ---- what one kind alone has ---- */

static void a_stale_one_keeps_what_was_said_when_it_was_made(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    kith_lock *lock;
    kith_barrier *barrier;
    assert_code(kith_semaphore_open(&semaphore, name, KITH_CREATE, 5, &(kith_semaphore_options){ .bound = 6 }), 0);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), 0);
    kith_semaphore_free(semaphore);
    assert_code(kith_semaphore_open(&semaphore, name, KITH_OPEN, 0, NULL), 0);
    assert_int_equal(kith_semaphore_value(semaphore), 5);
    assert_code(kith_semaphore_release(semaphore), 0);
    assert_explained(kith_semaphore_release(semaphore), -EOVERFLOW);
    kith_semaphore_free(semaphore);
    assert_code(kith_semaphore_unlink(name), 0);
    assert_code(kith_lock_open(&lock, name, KITH_CREATE, &(kith_lock_options){ .recursive = 1 }), 0);
    kith_lock_free(lock);
    assert_code(kith_lock_open(&lock, name, KITH_OPEN, NULL), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    kith_lock_free(lock);
    assert_code(kith_lock_unlink(name), 0);
    assert_code(kith_barrier_open(&barrier, name, KITH_CREATE, 1, NULL), 0);
    kith_barrier_free(barrier);
    assert_code(kith_barrier_open(&barrier, name, KITH_OPEN, 0, NULL), 0);
    assert_code(kith_barrier_wait(barrier, KITH_NOWAIT), 0);
    kith_barrier_free(barrier);
    assert_explained(kith_barrier_open(&barrier, name, KITH_OPEN_OR_CREATE, 0, NULL), -EINVAL);
    assert_code(kith_barrier_unlink(name), 0);
    assert_explained(kith_semaphore_open(&semaphore, name, KITH_CREATE, (unsigned)-1, NULL), -EINVAL);
}

#define FOR_ALL_KINDS(test)                                    \
    {                                                          \
#test, for_all_kinds, begin, end, &(void (*[1])(void)) \
        {                                                      \
            test                                               \
        }                                                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_ALL_KINDS(others_find_it_by_its_name),
        FOR_ALL_KINDS(each_way_to_open_does_what_it_says),
        FOR_ALL_KINDS(what_is_stale_starts_anew),
        FOR_ALL_KINDS(another_kind_is_refused),
        FOR_ALL_KINDS(another_layout_is_refused),
        FOR_ALL_KINDS(what_others_may_open_is_not_trusted),
        FOR_ALL_KINDS(a_name_is_a_name),
        FOR_ALL_KINDS(it_goes_by_descriptor),
        FOR_ALL_KINDS(other_descriptors_are_refused),
        FOR_ALL_KINDS(without_descriptors_it_says_so),
        cmocka_unit_test_setup_teardown(a_stale_one_keeps_what_was_said_when_it_was_made, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
