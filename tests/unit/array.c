/* kith/array.h: elements and their lock, between threads and processes; names and descriptors of objects. */
#include "apart.h"
#include "cmocka_kith.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char name[64];
static int descriptors_before;
static kith_array *array;

static int set_up(void **state)
{
    (void)state;
    snprintf(name, sizeof name, "test-array-%d", (int)getpid());
    array = NULL;
    descriptors_before = descriptors();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (apart_running && kill(apart_running, SIGKILL) == 0)
        apart_wait(apart_running);
    kith_array_free(array);
    kith_array_unlink(name);
    assert_int_equal(descriptors(), descriptors_before);
    return 0;
}

/* ---- elements ---- */

static void elements_are_zero_and_aligned(void **state)
{
    (void)state;
    const size_t sizes[] = { 1, 3, 8, 1000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_code(kith_array_new(&array, sizes[i], 50, NULL), 0);
        assert_int_equal(kith_array_element_size(array), sizes[i]);
        assert_int_equal(kith_array_count(array), 50);
        unsigned char *data = kith_array_data(array);
        assert_int_equal((uintptr_t)data % 64, 0);
        for (size_t j = 0; j < 50 * sizes[i]; j++) {
            assert_int_equal(data[j], 0);
            data[j] = 0xff;
        }
        assert_code(kith_array_acquire(array, KITH_NOWAIT), 0); /* its lock is not among them */
        kith_array_free(array);
        array = NULL;
    }
}

static void an_array_may_have_no_elements(void **state)
{
    (void)state;
    assert_code(kith_array_new(&array, 8, 0, NULL), 0);
    assert_int_equal(kith_array_count(array), 0);
    assert_code(kith_array_acquire(array, KITH_NOWAIT), 0);
    assert_code(kith_array_release(array), 0);
}

static int count_up(void)
{
    int *count = kith_array_data(array);
    for (int i = 0; i < 5000; i++) {
        EXPECT(kith_array_acquire(array, KITH_FOREVER) == 0);
        int before = *(volatile int *)count;
        *(volatile int *)count = before + 1;
        EXPECT(kith_array_release(array) == 0);
    }
    return 0;
}

static void *count_up_in_a_thread(void *nothing)
{
    return count_up() == 0 ? nothing : &array;
}

static void the_lock_serialises_processes_and_threads(void **state)
{
    (void)state;
    pthread_t thread;
    void *failure;
    assert_code(kith_array_new(&array, sizeof(int), 1, NULL), 0);
    pid_t child = apart_start(count_up);
    assert_true(child > 0);
    assert_int_equal(pthread_create(&thread, NULL, count_up_in_a_thread, NULL), 0);
    int mine = count_up();
    pthread_join(thread, &failure);
    assert_int_equal(apart_wait(child), 0);
    assert_null(failure);
    assert_int_equal(mine, 0);
    assert_int_equal(*(int *)kith_array_data(array), 15000);
}

/* ---- the lock ---- */

static int try_to_acquire(void)
{
    return -kith_array_acquire(array, KITH_NOWAIT);
}

static int release(void)
{
    return -kith_array_release(array);
}

static void an_owner_acquires_again_and_releases_as_often(void **state)
{
    (void)state;
    assert_code(kith_array_new(&array, 1, 1, NULL), 0);
    assert_explained(kith_array_release(array), -EPERM);
    for (int i = 0; i < 3; i++)
        assert_code(kith_array_acquire(array, KITH_NOWAIT), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(apart(try_to_acquire), ETIMEDOUT);
        assert_int_equal(apart(release), EPERM);
        assert_code(kith_array_release(array), 0);
    }
    assert_explained(kith_array_release(array), -EPERM);
    assert_int_equal(apart(try_to_acquire), 0);
}

static int acquire_twice_and_die(void)
{
    EXPECT(kith_array_acquire(array, KITH_NOWAIT) == 0);
    EXPECT(kith_array_acquire(array, KITH_NOWAIT) == 0);
    kill(getpid(), SIGKILL);
    return 1;
}

static void an_owners_death_is_told_once(void **state)
{
    (void)state;
    assert_code(kith_array_new(&array, 1, 1, NULL), 0);
    assert_int_equal(apart(acquire_twice_and_die), -SIGKILL);
    assert_code(kith_array_acquire(array, KITH_NOWAIT), KITH_EOWNERDEAD);
    assert_code(kith_array_release(array), 0); /* not twice: the depth was the dead one's */
    assert_explained(kith_array_release(array), -EPERM);
    assert_code(kith_array_acquire(array, KITH_NOWAIT), 0);
}

static void freeing_releases(void **state)
{
    (void)state;
    kith_array *other;
    assert_code(kith_array_open(&array, name, KITH_CREATE, 1, 1, NULL), 0);
    assert_code(kith_array_open(&other, name, KITH_OPEN, 0, 0, NULL), 0);
    assert_code(kith_array_acquire(other, KITH_NOWAIT), 0);
    assert_code(kith_array_acquire(other, KITH_NOWAIT), 0);
    kith_array_free(other);
    assert_code(kith_array_acquire(array, KITH_NOWAIT), 0);
}

static void an_unlocked_array_has_no_lock(void **state)
{
    (void)state;
    assert_code(kith_array_new(&array, 1, 1, &(kith_array_options){ .unlocked = 1 }), 0);
    assert_explained(kith_array_acquire(array, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_array_release(array), -EINVAL);
}

/* ---- names and descriptors ---- */

static void a_named_array_is_found_with_its_shape(void **state)
{
    (void)state;
    kith_array *other = NULL;
    assert_explained(kith_array_open(&other, name, KITH_OPEN, 4, 3, NULL), -ENOENT);
    assert_code(kith_array_open(&array, name, KITH_CREATE, sizeof(int), 3, NULL), 0);
    ((int *)kith_array_data(array))[2] = 77;
    assert_code(kith_array_open(&other, name, KITH_OPEN, 0, 0, NULL), 0);
    assert_int_equal(kith_array_count(other), 3);
    assert_int_equal(kith_array_element_size(other), sizeof(int));
    assert_int_equal(((int *)kith_array_data(other))[2], 77);
    assert_code(kith_array_acquire(array, KITH_NOWAIT), 0);
    assert_int_equal(kith_array_acquire(other, KITH_NOWAIT), 0); /* one lock, one thread */
    assert_code(kith_array_release(other), 0);
    assert_code(kith_array_release(other), 0);
    kith_array_free(other);
    assert_explained(kith_array_open(&other, name, KITH_CREATE, sizeof(int), 3, NULL), -EEXIST);
    assert_code(kith_array_unlink(name), 0);
    assert_explained(kith_array_unlink(name), -ENOENT);
}

static void another_shape_is_refused(void **state)
{
    (void)state;
    const kith_array_options unlocked = { .unlocked = 1 };
    kith_array *other = NULL;
    assert_code(kith_array_open(&array, name, KITH_OPEN_OR_CREATE, 4, 10, NULL), 0);
    assert_explained(kith_array_open(&other, name, KITH_OPEN_OR_CREATE, 8, 10, NULL), -EINVAL);
    assert_explained(kith_array_open(&other, name, KITH_OPEN_OR_CREATE, 4, 11, NULL), -EINVAL);
    assert_explained(kith_array_open(&other, name, KITH_OPEN_OR_CREATE, 4, 10, &unlocked), -EINVAL);
    assert_null(other);
    assert_code(kith_array_open(&other, name, KITH_OPEN_OR_CREATE, 4, 10, NULL), 0);
    kith_array_free(other);
}

static int make_and_die(void)
{
    EXPECT(kith_array_open(&array, name, KITH_CREATE, 1, 100, NULL) == 0);
    strcpy(kith_array_data(array), "testament");
    EXPECT(kith_array_acquire(array, KITH_NOWAIT) == 0);
    kill(getpid(), SIGKILL);
    return 1;
}

static void what_the_dead_left_is_taken_over_or_replaced(void **state)
{
    (void)state;
    assert_int_equal(apart(make_and_die), -SIGKILL);
    assert_code(kith_array_open(&array, name, KITH_OPEN, 0, 0, NULL), 0);
    assert_string_equal(kith_array_data(array), "testament");
    assert_code(kith_array_acquire(array, KITH_NOWAIT), KITH_EOWNERDEAD);
    kith_array_free(array);
    array = NULL;
    assert_code(kith_array_open(&array, name, KITH_CREATE, 1, 200, NULL), 0);
    assert_int_equal(kith_array_count(array), 200);
    assert_string_equal(kith_array_data(array), "");
    assert_code(kith_array_acquire(array, KITH_NOWAIT), 0);
}

enum { RACERS = 8 };

static int find_or_make_and_count(void)
{
    EXPECT(kith_array_open(&array, name, KITH_OPEN_OR_CREATE, sizeof(int), 1, NULL) == 0);
    EXPECT(kith_array_acquire(array, KITH_FOREVER) == 0);
    ++*(int *)kith_array_data(array);
    EXPECT(kith_array_release(array) == 0);
    return 0;
}

static void all_who_race_for_a_name_get_the_same_array(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        pid_t racers[RACERS];
        int failures = 0;
        for (int i = 0; i < RACERS; i++)
            racers[i] = apart_start(find_or_make_and_count);
        for (int i = 0; i < RACERS; i++)
            failures += apart_wait(racers[i]);
        assert_int_equal(failures, 0);
        assert_code(kith_array_open(&array, name, KITH_OPEN, 0, 0, NULL), 0);
        assert_int_equal(*(int *)kith_array_data(array), RACERS);
        kith_array_free(array);
        array = NULL;
        assert_code(kith_array_unlink(name), 0);
    }
}

/** The file that the array's name leads to. */
static int open_file(void)
{
    char file[100];
    snprintf(file, sizeof file, "kith.%s", name);
    int descriptor = shm_open(file, O_RDWR | O_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    return descriptor;
}

static void an_array_of_another_version_is_refused_until_it_is_stale(void **state)
{
    (void)state;
    kith_array *other = NULL;
    assert_code(kith_array_open(&array, name, KITH_CREATE, 1, 1, NULL), 0);
    int file = open_file();
    assert_int_equal(pwrite(file, &(uint32_t){ 12345 }, 4, 12), 4); /* where every version has its layout's number */
    close(file);
    assert_explained(kith_array_open(&other, name, KITH_OPEN, 0, 0, NULL), KITH_ELAYOUT);
    assert_explained(kith_array_open(&other, name, KITH_OPEN_OR_CREATE, 1, 1, NULL), KITH_ELAYOUT);
    assert_explained(kith_array_open(&other, name, KITH_CREATE, 1, 1, NULL), -EEXIST);
    assert_explained(kith_array_from_fd(&other, kith_array_share_fd(array)), KITH_ELAYOUT);
    kith_array_free(array);
    array = NULL;
    assert_explained(kith_array_open(&other, name, KITH_OPEN, 0, 0, NULL), KITH_ELAYOUT);
    assert_null(other);
    assert_code(kith_array_open(&array, name, KITH_OPEN_OR_CREATE, 1, 7, NULL), 0);
    assert_int_equal(kith_array_count(array), 7);
}

static void an_array_that_others_may_open_is_not_trusted(void **state)
{
    (void)state;
    kith_array *other = NULL;
    assert_code(kith_array_open(&array, name, KITH_CREATE, 1, 1, NULL), 0);
    int file = open_file();
    assert_int_equal(fchmod(file, 0604), 0);
    assert_explained(kith_array_open(&other, name, KITH_OPEN, 0, 0, NULL), -EACCES);
    assert_explained(kith_array_unlink(name), -EACCES);
    assert_int_equal(fchmod(file, 0600), 0);
    close(file);
    assert_null(other);
}

static void a_descriptor_becomes_an_array(void **state)
{
    (void)state;
    kith_array *first = NULL;
    kith_segment *segment = NULL;
    assert_code(kith_array_new(&first, 1, 100, NULL), 0);
    strcpy(kith_array_data(first), "handed on");
    int fd = fcntl(kith_array_share_fd(first), F_DUPFD_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    kith_array_free(first);
    assert_code(kith_array_from_fd(&array, fd), 0);
    close(fd);
    assert_string_equal(kith_array_data(array), "handed on");
    assert_explained(kith_array_from_fd(&first, fd), -EBADF);
    assert_code(kith_segment_new(&segment, 1000), 0);
    fd = kith_segment_share_fd(segment);
    assert_explained(kith_array_from_fd(&first, fd), -EINVAL);
    strcpy(kith_segment_data(segment), "kithobj");
    assert_explained(kith_array_from_fd(&first, fd), -EINVAL); /* of no kind */
    kith_segment_free(segment);
}

static void what_is_no_array_is_refused_by_its_name(void **state)
{
    (void)state;
    char file[100];
    snprintf(file, sizeof file, "kith.%s", name);
    int other = shm_open(file, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    assert_true(other >= 0);
    assert_int_equal(write(other, "something that another program left here, much longer than any header", 70), 70);
    close(other);
    int opened = kith_array_open(&array, name, KITH_OPEN, 1, 1, NULL);
    int made = kith_array_open(&array, name, KITH_CREATE, 1, 1, NULL);
    int unlinked = kith_array_unlink(name);
    shm_unlink(file);
    assert_explained(opened, -EINVAL);
    assert_explained(made, -EINVAL); /* it is not kith's to replace */
    assert_explained(unlinked, -EINVAL);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    assert_explained(kith_array_new(NULL, 1, 1, NULL), -EINVAL);
    assert_explained(kith_array_new(&array, 0, 1, NULL), -EINVAL);
    assert_explained(kith_array_new(&array, SIZE_MAX / 2, 3, NULL), -EINVAL);
    assert_explained(kith_array_new(&array, 1, PTRDIFF_MAX, NULL), -EINVAL);
    assert_explained(kith_array_open(NULL, name, KITH_CREATE, 1, 1, NULL), -EINVAL);
    assert_explained(kith_array_open(&array, NULL, KITH_CREATE, 1, 1, NULL), -EINVAL);
    assert_explained(kith_array_open(&array, "a/b", KITH_CREATE, 1, 1, NULL), -EINVAL);
    assert_explained(kith_array_open(&array, name, (kith_open)0, 1, 1, NULL), -EINVAL);
    assert_explained(kith_array_open(&array, name, KITH_CREATE, 0, 1, NULL), -EINVAL);
    assert_explained(kith_array_unlink(""), -EINVAL);
    assert_explained(kith_array_share_fd(NULL), -EINVAL);
    assert_explained(kith_array_from_fd(NULL, 0), -EINVAL);
    assert_explained(kith_array_from_fd(&array, -1), -EBADF);
    assert_explained(kith_array_acquire(NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_array_release(NULL), -EINVAL);
    assert_null(kith_array_data(NULL));
    assert_int_equal(kith_array_count(NULL), 0);
    assert_int_equal(kith_array_element_size(NULL), 0);
    assert_null(array);
    assert_code(kith_array_new(&array, 1, 1, NULL), 0);
    assert_explained(kith_array_acquire(array, -2), -EINVAL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(elements_are_zero_and_aligned),
        TEST(an_array_may_have_no_elements),
        TEST(the_lock_serialises_processes_and_threads),
        TEST(an_owner_acquires_again_and_releases_as_often),
        TEST(an_owners_death_is_told_once),
        TEST(freeing_releases),
        TEST(an_unlocked_array_has_no_lock),
        TEST(a_named_array_is_found_with_its_shape),
        TEST(another_shape_is_refused),
        TEST(what_the_dead_left_is_taken_over_or_replaced),
        TEST(all_who_race_for_a_name_get_the_same_array),
        TEST(an_array_of_another_version_is_refused_until_it_is_stale),
        TEST(an_array_that_others_may_open_is_not_trusted),
        TEST(a_descriptor_becomes_an_array),
        TEST(what_is_no_array_is_refused_by_its_name),
        TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
