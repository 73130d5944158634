/* kith/sync.h: locks, semaphores and events in memory of the caller's. */
#include "apart.h"
#include "crew.h"

#include <fcntl.h>

enum { ROOM = 128, PLACES = 4 };

static unsigned char *memory; /* PLACES rooms, shared */

static int begin(void **state)
{
    memory = mmap(NULL, PLACES * ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? -1 : setup(state);
}

static int end(void **state)
{
    munmap(memory, PLACES * ROOM);
    return teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static kith_lock *lock_in(void *place, kith_open how, const kith_lock_options *options)
{
    kith_lock *lock = NULL;
    assert_code(kith_lock_in(&lock, place, how, options), 0);
    return lock;
}

/* ---- each of them ---- */

static int acquire_what_is_there(void *place)
{
    kith_lock *lock;
    EXPECT(kith_lock_in(&lock, place, KITH_OPEN, NULL) == 0);
    EXPECT(kith_lock_acquire(lock, KITH_NOWAIT) == -ETIMEDOUT);
    atomic_store(&board->step, 1);
    EXPECT(kith_lock_acquire(lock, KITH_FOREVER) == 0);
    atomic_store(&board->step, 2);
    return sleep_until_killed();
}

static void a_lock_is_shared_with_children(void **state)
{
    (void)state;
    kith_lock *lock = lock_in(memory, KITH_CREATE, NULL);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    pid_t other = child(acquire_what_is_there, memory);
    wait_for_step(1);
    assert_code(kith_lock_release(lock), 0);
    wait_for_step(2);
    assert_int_equal(kith_lock_owner(lock), other);
    kill_child(other);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), KITH_EOWNERDEAD);
    assert_code(kith_lock_release(lock), 0);
    kith_lock_free(lock);
}

static int take_a_unit(void *place)
{
    kith_semaphore *semaphore;
    EXPECT(kith_semaphore_in(&semaphore, place, KITH_OPEN, 0, NULL) == 0);
    EXPECT(kith_semaphore_value(semaphore) == 0);
    EXPECT(kith_semaphore_acquire(semaphore, KITH_FOREVER) == 0);
    kith_semaphore_free(semaphore);
    return 0;
}

static void a_semaphore_is_shared_with_children(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    assert_code(kith_semaphore_in(&semaphore, memory, KITH_CREATE, 1, &(kith_semaphore_options){ .bound = 1 }), 0);
    assert_explained(kith_semaphore_release(semaphore), -EOVERFLOW);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), 0);
    pid_t other = sleeper(take_a_unit, memory);
    assert_code(kith_semaphore_release(semaphore), 0);
    assert_int_equal(status_of(other), 0);
    assert_int_equal(kith_semaphore_value(semaphore), 0);
    kith_semaphore_free(semaphore);
}

static int wait_for_the_event(void *place)
{
    kith_event *event;
    EXPECT(kith_event_in(&event, place, KITH_OPEN) == 0);
    EXPECT(kith_event_wait(event, KITH_FOREVER) == 0);
    kith_event_free(event);
    return 0;
}

static void an_event_is_shared_with_children(void **state)
{
    (void)state;
    kith_event *event;
    assert_code(kith_event_in(&event, memory, KITH_CREATE), 0);
    assert_int_equal(kith_event_is_set(event), 0);
    pid_t other = sleeper(wait_for_the_event, memory);
    assert_code(kith_event_set(event), 0);
    assert_int_equal(status_of(other), 0);
    kith_event_free(event);
}

/* ---- what they have in common ---- */

static int find_in_the_segment(void *name)
{
    kith_segment *segment;
    kith_lock *lock;
    kith_event *event;
    EXPECT(kith_segment_open(&segment, name, KITH_OPEN, 0) == 0);
    unsigned char *there = kith_segment_data(segment);
    EXPECT(kith_lock_in(&lock, there, KITH_OPEN, NULL) == 0);
    EXPECT(kith_event_in(&event, there + ROOM, KITH_OPEN) == 0);
    EXPECT(kith_lock_acquire(lock, KITH_NOWAIT) == -ETIMEDOUT);
    EXPECT(kith_event_set(event) == 0);
    kith_event_free(event);
    kith_lock_free(lock);
    kith_segment_free(segment);
    return 0;
}

static void strangers_find_them_in_a_segment(void **state)
{
    (void)state;
    char name[40];
    kith_segment *segment;
    kith_event *event;
    snprintf(name, sizeof name, "kith-test-in-%d", (int)getpid());
    assert_code(kith_segment_open(&segment, name, KITH_CREATE, PLACES * ROOM), 0);
    unsigned char *there = kith_segment_data(segment);
    kith_lock *lock = lock_in(there, KITH_CREATE, NULL);
    assert_code(kith_event_in(&event, there + ROOM, KITH_CREATE), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    int status = status_of(child(find_in_the_segment, name));
    assert_code(kith_segment_unlink(name), 0);
    assert_int_equal(status, 0);
    assert_code(kith_event_wait(event, KITH_FOREVER), 0);
    kith_event_free(event);
    kith_lock_free(lock);
    kith_segment_free(segment);
}

static void they_cost_no_descriptor_and_have_none(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    kith_event *event;
    int before = descriptors();
    kith_lock *lock = lock_in(memory, KITH_CREATE, NULL);
    assert_code(kith_semaphore_in(&semaphore, memory + ROOM, KITH_CREATE, 1, NULL), 0);
    assert_code(kith_event_in(&event, memory + 2 * ROOM, KITH_CREATE), 0);
    assert_int_equal(descriptors(), before);
    assert_explained(kith_lock_share_fd(lock), -EINVAL);
    assert_explained(kith_semaphore_share_fd(semaphore), -EINVAL);
    assert_explained(kith_event_share_fd(event), -EINVAL);
    kith_event_free(event);
    kith_semaphore_free(semaphore);
    kith_lock_free(lock);
}

static void the_object_outlives_the_handle(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    kith_event *event;
    kith_lock_free(lock_in(memory, KITH_CREATE, &(kith_lock_options){ .recursive = 1 }));
    kith_lock *lock = lock_in(memory, KITH_OPEN, NULL);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0); /* it is still recursive */
    kith_lock_free(lock);
    assert_code(kith_semaphore_in(&semaphore, memory + ROOM, KITH_CREATE, 7, NULL), 0);
    kith_semaphore_free(semaphore);
    assert_code(kith_semaphore_in(&semaphore, memory + ROOM, KITH_OPEN, 0, NULL), 0);
    assert_int_equal(kith_semaphore_value(semaphore), 7);
    kith_semaphore_free(semaphore);
    assert_code(kith_event_in(&event, memory + 2 * ROOM, KITH_CREATE), 0);
    assert_code(kith_event_set(event), 0);
    kith_event_free(event);
    assert_code(kith_event_in(&event, memory + 2 * ROOM, KITH_OPEN), 0);
    assert_int_equal(kith_event_is_set(event), 1);
    kith_event_free(event);
}

static void what_was_there_is_made_anew(void **state)
{
    (void)state;
    memset(memory, 0xa5, ROOM);
    kith_lock *lock = lock_in(memory, KITH_CREATE, NULL);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_lock_release(lock), 0);
    kith_lock_free(lock);
    kith_event *event;
    assert_code(kith_event_in(&event, memory, KITH_CREATE), 0);
    assert_int_equal(kith_event_is_set(event), 0);
    kith_event_free(event);
}

static void neighbours_stay_as_they_are(void **state)
{
    (void)state;
    memset(memory, 0xa5, PLACES * ROOM);
    kith_lock *lock = lock_in(memory + ROOM, KITH_CREATE, NULL);
    kith_semaphore *semaphore;
    assert_code(kith_semaphore_in(&semaphore, memory + 2 * ROOM, KITH_CREATE, 1, NULL), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), 0);
    kith_semaphore_free(semaphore);
    kith_lock_free(lock);
    for (int i = 0; i < ROOM; i++) {
        assert_int_equal(memory[i], 0xa5);
        assert_int_equal(memory[3 * ROOM + i], 0xa5);
    }
}

static void what_is_not_there_is_refused(void **state)
{
    (void)state;
    kith_lock *lock;
    kith_semaphore *semaphore;
    kith_event *event;
    assert_explained(kith_lock_in(&lock, memory, KITH_OPEN, NULL), -EINVAL); /* nothing */
    assert_explained(kith_semaphore_in(&semaphore, memory, KITH_OPEN, 0, NULL), -EINVAL);
    assert_explained(kith_event_in(&event, memory, KITH_OPEN), -EINVAL);
    memset(memory, 0xa5, ROOM);
    assert_explained(kith_lock_in(&lock, memory, KITH_OPEN, NULL), -EINVAL); /* nothing of kith's */
    kith_lock_free(lock_in(memory, KITH_CREATE, NULL));
    assert_explained(kith_semaphore_in(&semaphore, memory, KITH_OPEN, 0, NULL), -EINVAL); /* something else */
    assert_explained(kith_event_in(&event, memory, KITH_OPEN), -EINVAL);
    memory[12]++; /* the layout */
    assert_explained(kith_lock_in(&lock, memory, KITH_OPEN, NULL), KITH_ELAYOUT);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    kith_lock *lock;
    kith_semaphore *semaphore;
    kith_event *event;
    const kith_lock_options both = { .recursive = 1, .anyone_releases = 1 };
    const kith_semaphore_options owned = { .owned = 1 };
    assert_explained(kith_lock_in(NULL, memory, KITH_CREATE, NULL), -EINVAL);
    assert_explained(kith_lock_in(&lock, NULL, KITH_CREATE, NULL), -EINVAL);
    assert_explained(kith_lock_in(&lock, memory + 8, KITH_CREATE, NULL), -EINVAL);
    assert_explained(kith_lock_in(&lock, memory, KITH_OPEN_OR_CREATE, NULL), -EINVAL);
    assert_explained(kith_lock_in(&lock, memory, (kith_open)0, NULL), -EINVAL);
    assert_explained(kith_lock_in(&lock, memory, KITH_CREATE, &both), -EINVAL);
    assert_explained(kith_semaphore_in(NULL, memory, KITH_CREATE, 1, NULL), -EINVAL);
    assert_explained(kith_semaphore_in(&semaphore, memory, KITH_CREATE, 1, &owned), -EINVAL);
    assert_explained(kith_semaphore_in(&semaphore, memory, KITH_CREATE, (unsigned)-1, NULL), -EINVAL);
    assert_explained(kith_event_in(NULL, memory, KITH_CREATE), -EINVAL);
    assert_explained(kith_event_in(&event, memory + 1, KITH_CREATE), -EINVAL);
    for (int i = 0; i < ROOM; i++)
        assert_int_equal(memory[i], 0);
}

/* A lock with a file of its own has room for those who seek deadlocks; one in a segment's first bytes has not, however
 * it was come by. */
static void files_and_memory_are_told_apart(void **state)
{
    (void)state;
    kith_lock *whole, *other;
    int before = kith_deadlocks_detect(1);
    assert_code(kith_lock_new(&whole, NULL), 0);
    void *mapped = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, kith_lock_share_fd(whole), 0);
    assert_true(mapped != MAP_FAILED);
    assert_explained(kith_lock_in(&other, mapped, KITH_OPEN, NULL), -EINVAL);
    munmap(mapped, ROOM);
    kith_lock_free(whole);

    int file = memfd_create("room", MFD_CLOEXEC);
    assert_int_equal(ftruncate(file, ROOM), 0);
    mapped = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(mapped != MAP_FAILED);
    kith_lock *lock = lock_in(mapped, KITH_CREATE, NULL);
    assert_code(kith_lock_from_fd(&other, file), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    pid_t owner = child(acquire_what_is_there, mapped);
    wait_for_step(1);
    assert_code(kith_lock_release(lock), 0);
    wait_for_step(2);
    assert_code(kith_lock_acquire(lock, KITH_MS(150)), -ETIMEDOUT); /* long enough to look for a circle */
    assert_code(kith_lock_acquire(other, KITH_MS(150)), -ETIMEDOUT);
    kill_child(owner);
    assert_code(kith_lock_acquire(other, KITH_FOREVER), KITH_EOWNERDEAD);
    kith_lock_free(other);
    kith_lock_free(lock);
    munmap(mapped, ROOM);
    close(file);
    kith_deadlocks_detect(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lock_is_shared_with_children),        TEST(a_semaphore_is_shared_with_children),
        TEST(an_event_is_shared_with_children),      TEST(strangers_find_them_in_a_segment),
        TEST(they_cost_no_descriptor_and_have_none), TEST(the_object_outlives_the_handle),
        TEST(what_was_there_is_made_anew),           TEST(neighbours_stay_as_they_are),
        TEST(what_is_not_there_is_refused),          TEST(bad_arguments_are_refused),
        TEST(files_and_memory_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
