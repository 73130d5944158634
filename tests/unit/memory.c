/* kith/memory.h: segments: names, descriptors, what other programs make, and whom kith does not trust. */
#include "apart.h"
#include "cmocka_kith.h"
#include "refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char name[64];
static int descriptors_before;

static int set_up(void **state)
{
    (void)state;
    snprintf(name, sizeof name, "kith-test-memory-%d", (int)getpid());
    descriptors_before = descriptors();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shm_unlink(name);
    assert_int_equal(descriptors(), descriptors_before);
    return 0;
}

static kith_segment *make(size_t size)
{
    kith_segment *segment = NULL;
    assert_code(kith_segment_open(&segment, name, KITH_CREATE, size), 0);
    return segment;
}

static kith_segment *open_it(void)
{
    kith_segment *segment = NULL;
    assert_code(kith_segment_open(&segment, name, KITH_OPEN, 0), 0);
    return segment;
}

static bool all_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

/* ---- anonymous ---- */

static void an_anonymous_segment_is_zero_and_as_long_as_asked_for(void **state)
{
    (void)state;
    const size_t sizes[] = { 1, 7, 4096, 4097, 1000000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        kith_segment *segment;
        assert_code(kith_segment_new(&segment, sizes[i]), 0);
        assert_int_equal(kith_segment_size(segment), sizes[i]);
        assert_int_equal((uintptr_t)kith_segment_data(segment) % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
        assert_true(all_zero(kith_segment_data(segment), sizes[i]));
        memset(kith_segment_data(segment), 0xff, sizes[i]);
        assert_null(kith_segment_name(segment));
        kith_segment_free(segment);
    }
    kith_segment_free(NULL);
}

static kith_segment *inherited;

static int write_in_the_child(void)
{
    strcpy(kith_segment_data(inherited), "from the child");
    return 0;
}

static void a_child_shares_what_it_inherits(void **state)
{
    (void)state;
    assert_code(kith_segment_new(&inherited, 100), 0);
    assert_int_equal(apart(write_in_the_child), 0);
    assert_string_equal(kith_segment_data(inherited), "from the child");
    kith_segment_free(inherited);
}

/* ---- names ---- */

static void who_opens_the_name_sees_the_same_memory(void **state)
{
    (void)state;
    kith_segment *first = make(5000);
    kith_segment *second = open_it();
    assert_int_equal(kith_segment_size(second), 5000);
    assert_string_equal(kith_segment_name(second), name);
    assert_ptr_not_equal(kith_segment_data(first), kith_segment_data(second));
    strcpy(kith_segment_data(first), "hello");
    assert_string_equal(kith_segment_data(second), "hello");
    kith_segment_free(first);
    assert_string_equal(kith_segment_data(second), "hello");
    kith_segment_free(second);
    second = open_it(); /* the name keeps it */
    assert_string_equal(kith_segment_data(second), "hello");
    kith_segment_free(second);
}

static void a_named_segment_is_a_file_that_others_can_not_open(void **state)
{
    (void)state;
    char path[100];
    struct stat status;
    mode_t mask = umask(0777); /* whatever it is */
    kith_segment *segment = make(5000);
    umask(mask);
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 5000);
    assert_int_equal(status.st_blocks * 512, 8192); /* it has its memory */
    kith_segment_free(segment);
}

static void the_ways_to_open_differ(void **state)
{
    (void)state;
    kith_segment *segment = NULL, *again;
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN, 100), -ENOENT);
    assert_null(segment);
    assert_code(kith_segment_open(&segment, name, KITH_OPEN_OR_CREATE, 100), 0);
    assert_code(kith_segment_open(&again, name, KITH_OPEN_OR_CREATE, 200), 0);
    assert_int_equal(kith_segment_size(again), 100);
    kith_segment_free(again);
    kith_segment_free(segment);
    segment = NULL;
    assert_explained(kith_segment_open(&segment, name, KITH_CREATE, 100),
                     -EEXIST); /* nobody knows whether it is used */
    assert_null(segment);
    assert_code(kith_segment_unlink(name), 0);
    assert_explained(kith_segment_unlink(name), -ENOENT);
    kith_segment_free(make(300));
}

static void who_has_it_keeps_it_when_its_name_goes(void **state)
{
    (void)state;
    kith_segment *old = make(100);
    strcpy(kith_segment_data(old), "old");
    assert_code(kith_segment_unlink(name), 0);
    kith_segment *new = make(100);
    assert_string_equal(kith_segment_data(old), "old");
    assert_string_equal(kith_segment_data(new), "");
    kith_segment_free(old);
    kith_segment_free(new);
}

static void a_slash_before_a_name_is_left_off(void **state)
{
    (void)state;
    char with_slash[80];
    kith_segment *segment = NULL;
    snprintf(with_slash, sizeof with_slash, "/%s", name);
    assert_code(kith_segment_open(&segment, with_slash, KITH_CREATE, 10), 0);
    assert_string_equal(kith_segment_name(segment), name);
    kith_segment_free(segment);
    kith_segment_free(open_it());
    assert_code(kith_segment_unlink(with_slash), 0);
}

static void without_a_name_one_is_made_up(void **state)
{
    (void)state;
    kith_segment *one = NULL, *other = NULL;
    assert_code(kith_segment_open(&one, NULL, KITH_CREATE, 10), 0);
    assert_code(kith_segment_open(&other, NULL, KITH_CREATE, 10), 0);
    const char *made_up = kith_segment_name(one);
    assert_int_equal(strlen(made_up), 12);
    assert_memory_equal(made_up, "psm_", 4);
    assert_int_equal(strspn(made_up + 4, "0123456789abcdef"), 8);
    assert_string_not_equal(made_up, kith_segment_name(other));
    assert_code(kith_segment_unlink(made_up), 0);
    assert_code(kith_segment_unlink(kith_segment_name(other)), 0);
    kith_segment_free(one);
    kith_segment_free(other);
    assert_explained(kith_segment_open(&one, NULL, KITH_OPEN, 10), -EINVAL);
    assert_explained(kith_segment_open(&one, NULL, KITH_OPEN_OR_CREATE, 10), -EINVAL);
}

static void names_that_are_none_are_refused(void **state)
{
    (void)state;
    char long_name[KITH_NAME_MAX + 2];
    memset(long_name, 'n', sizeof long_name);
    long_name[KITH_NAME_MAX + 1] = 0;
    const char *const wrong[] = { "", "/", "//two", "a/b", "..", "/.", "kith.queue", "/kith.", long_name };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kith_segment *segment = NULL;
        assert_explained(kith_segment_open(&segment, wrong[i], KITH_CREATE, 10), -EINVAL);
        assert_explained(kith_segment_unlink(wrong[i]), -EINVAL);
        assert_null(segment);
    }
    assert_explained(kith_segment_unlink(NULL), -EINVAL);
}

/* ---- what others made ---- */

static int make_file(mode_t mode, off_t size)
{
    int file = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    assert_true(file >= 0);
    assert_int_equal(fchmod(file, mode), 0);
    assert_int_equal(ftruncate(file, size), 0);
    return file;
}

static void a_segment_of_shm_open_is_opened(void **state)
{
    (void)state;
    int file = make_file(0600, 123);
    assert_int_equal(pwrite(file, "theirs", 7, 0), 7);
    close(file);
    kith_segment *segment = open_it();
    assert_int_equal(kith_segment_size(segment), 123);
    assert_string_equal(kith_segment_data(segment), "theirs");
    kith_segment_free(segment);
}

static void a_segment_that_others_may_open_is_refused(void **state)
{
    (void)state;
    kith_segment *segment = NULL;
    close(make_file(0640, 100));
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN, 0), -EACCES);
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN_OR_CREATE, 100), -EACCES);
    assert_explained(kith_segment_open(&segment, name, KITH_CREATE, 100), -EACCES);
    assert_explained(kith_segment_unlink(name), -EACCES);
    assert_null(segment);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    char path[100];
    kith_segment *segment = NULL;
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    assert_int_equal(symlink("/dev/shm/kith-test-nowhere", path), 0);
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN, 0), -EINVAL);
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN_OR_CREATE, 10), -EINVAL);
    assert_explained(kith_segment_unlink(name), -EINVAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    int opened = kith_segment_open(&segment, name, KITH_OPEN, 0);
    assert_int_equal(rmdir(path), 0);
    assert_explained(opened, -EINVAL);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN, 0), -EINVAL);
    assert_non_null(strstr(kith_error_detail(), "no file of memory"));
    assert_null(segment);
}

static void a_segment_of_another_user_is_refused(void **state)
{
    (void)state;
    kith_segment *segment = NULL;
    if (geteuid() != 0)
        skip(); /* only root can make one for somebody else */
    int file = make_file(0600, 100);
    assert_int_equal(fchown(file, 65534, 65534), 0);
    close(file);
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN, 0), -EACCES);
    assert_explained(kith_segment_unlink(name), -EACCES);
}

static void a_file_that_stays_empty_is_told(void **state)
{
    (void)state;
    kith_segment *segment = NULL;
    close(make_file(0600, 0));
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN, 0), -EBUSY); /* after a second */
    assert_null(segment);
}

static void *lengthen(void *file)
{
    usleep(20000); /* so that the test as a rule has to wait; it holds either way */
    return ftruncate(*(int *)file, 77) == 0 ? NULL : file;
}

static void a_file_that_is_still_empty_is_waited_for(void **state)
{
    (void)state;
    pthread_t other;
    void *failure;
    int file = make_file(0600, 0);
    assert_int_equal(pthread_create(&other, NULL, lengthen, &file), 0);
    kith_segment *segment = NULL;
    int code = kith_segment_open(&segment, name, KITH_OPEN, 0);
    pthread_join(other, &failure);
    close(file);
    assert_null(failure);
    assert_code(code, 0);
    assert_int_equal(kith_segment_size(segment), 77);
    kith_segment_free(segment);
}

/* ---- descriptors ---- */

static void a_descriptor_becomes_a_segment(void **state)
{
    (void)state;
    kith_segment *first, *second = NULL;
    assert_code(kith_segment_new(&first, 5000), 0);
    int fd = fcntl(kith_segment_share_fd(first), F_DUPFD_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    strcpy(kith_segment_data(first), "handed on");
    kith_segment_free(first);
    assert_code(kith_segment_from_fd(&second, fd), 0);
    close(fd);
    assert_int_equal(kith_segment_size(second), 5000);
    assert_string_equal(kith_segment_data(second), "handed on");
    assert_null(kith_segment_name(second));
    kith_segment_free(second);
}

static void an_anonymous_segment_can_not_be_cut_off(void **state)
{
    (void)state;
    kith_segment *segment;
    assert_code(kith_segment_new(&segment, 5000), 0);
    int fd = kith_segment_share_fd(segment);
    assert_int_equal(ftruncate(fd, 10), -1);
    assert_int_equal(errno, EPERM);
    kith_segment_free(segment);
}

static void descriptors_of_something_else_are_refused(void **state)
{
    (void)state;
    kith_segment *segment = NULL;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_explained(kith_segment_from_fd(&segment, ends[0]), -EINVAL);
    close(ends[0]);
    close(ends[1]);
    assert_explained(kith_segment_from_fd(&segment, ends[0]), -EBADF);
    assert_explained(kith_segment_from_fd(&segment, -1), -EBADF);
    int empty = memfd_create("empty", MFD_CLOEXEC);
    assert_explained(kith_segment_from_fd(&segment, empty), -EINVAL);
    close(empty);
    close(make_file(0600, 100));
    int unwritable = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
    assert_explained(kith_segment_from_fd(&segment, unwritable), -EACCES);
    close(unwritable);
    assert_null(segment);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    kith_segment *segment = NULL;
    assert_explained(kith_segment_new(NULL, 1), -EINVAL);
    assert_explained(kith_segment_new(&segment, 0), -EINVAL);
    assert_explained(kith_segment_new(&segment, (size_t)-1), -EINVAL);
    assert_explained(kith_segment_open(NULL, name, KITH_CREATE, 1), -EINVAL);
    assert_explained(kith_segment_open(&segment, name, KITH_CREATE, 0), -EINVAL);
    assert_explained(kith_segment_open(&segment, name, (kith_open)0, 1), -EINVAL);
    assert_explained(kith_segment_open(&segment, name, (kith_open)4, 1), -EINVAL);
    assert_explained(kith_segment_from_fd(NULL, 0), -EINVAL);
    assert_explained(kith_segment_share_fd(NULL), -EINVAL);
    assert_null(kith_segment_data(NULL));
    assert_null(kith_segment_name(NULL));
    assert_int_equal(kith_segment_size(NULL), 0);
    assert_null(segment);
    assert_explained(kith_segment_open(&segment, name, KITH_OPEN, 0), -ENOENT); /* nothing was left behind */
}

/* ---- at the limits ---- */

static int refuse_memory(void)
{
    kith_segment *segment = NULL;
    int before = descriptors();
    EXPECT(refuse(SYS_fallocate, ENOSPC) == 0);
    EXPECT(kith_segment_new(&segment, 100) == -ENOSPC);
    EXPECT(kith_segment_open(&segment, name, KITH_CREATE, 100) == -ENOSPC);
    EXPECT(kith_error_detail()[0] && !segment && descriptors() == before);
    EXPECT(kith_segment_open(&segment, name, KITH_OPEN, 0) == -ENOENT);
    return 0;
}

static int limit_file_size(void)
{
    kith_segment *segment = NULL;
    struct rlimit limit = { 10000, 10000 };
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT(kith_segment_new(&segment, 20000) == -EFBIG); /* and no SIGXFSZ */
    EXPECT(kith_segment_open(&segment, name, KITH_CREATE, 20000) == -EFBIG);
    EXPECT(!segment);
    return 0;
}

/* The limit is lest this test, should it fail, take all the memory of the machine. */
static int ask_for_more_than_the_machine_has(void)
{
    kith_segment *segment = NULL;
    struct rlimit limit = { 10000, 10000 };
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT(kith_segment_new(&segment, (size_t)1 << 50) == -ENOMEM);
    EXPECT(kith_segment_open(&segment, name, KITH_CREATE, (size_t)1 << 50) == -ENOMEM);
    EXPECT(!segment);
    return 0;
}

static int refuse_mapping(void)
{
    kith_segment *segment = NULL;
    EXPECT(kith_segment_open(&segment, name, KITH_CREATE, 100) == 0);
    int before = descriptors();
    EXPECT(refuse_when(SYS_mmap, 3, MAP_SHARED, ENOMEM) == 0);
    kith_segment *other = NULL;
    EXPECT(kith_segment_new(&other, 100) == -ENOMEM);
    EXPECT(kith_segment_open(&other, name, KITH_OPEN, 0) == -ENOMEM);
    EXPECT(!other && descriptors() == before);
    kith_segment_free(segment);
    return 0;
}

static int refuse_random_numbers(void)
{
    kith_segment *segment = NULL;
    EXPECT(refuse(SYS_getrandom, EPERM) == 0);
    EXPECT(kith_segment_open(&segment, NULL, KITH_CREATE, 100) == -EPERM);
    EXPECT(!segment);
    return 0;
}

static int refuse_files_without_name(void)
{
    kith_segment *segment = NULL;
    EXPECT(refuse(SYS_openat, EOPNOTSUPP) == 0);
    EXPECT(kith_segment_open(&segment, name, KITH_CREATE, 100) == -ENOTSUP);
    EXPECT(!segment);
    return 0;
}

static void what_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(apart(refuse_memory), 0);
    assert_int_equal(apart(limit_file_size), 0);
    assert_int_equal(apart(ask_for_more_than_the_machine_has), 0);
    assert_int_equal(apart(refuse_mapping), 0);
    assert_int_equal(apart(refuse_random_numbers), 0);
    assert_int_equal(apart(refuse_files_without_name), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_anonymous_segment_is_zero_and_as_long_as_asked_for),
        TEST(a_child_shares_what_it_inherits),
        TEST(who_opens_the_name_sees_the_same_memory),
        TEST(a_named_segment_is_a_file_that_others_can_not_open),
        TEST(the_ways_to_open_differ),
        TEST(who_has_it_keeps_it_when_its_name_goes),
        TEST(a_slash_before_a_name_is_left_off),
        TEST(without_a_name_one_is_made_up),
        TEST(names_that_are_none_are_refused),
        TEST(a_segment_of_shm_open_is_opened),
        TEST(a_segment_that_others_may_open_is_refused),
        TEST(what_is_no_file_is_refused),
        TEST(a_segment_of_another_user_is_refused),
        TEST(a_file_that_stays_empty_is_told),
        TEST(a_file_that_is_still_empty_is_waited_for),
        TEST(a_descriptor_becomes_a_segment),
        TEST(an_anonymous_segment_can_not_be_cut_off),
        TEST(descriptors_of_something_else_are_refused),
        TEST(bad_arguments_are_refused),
        TEST(what_fails_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
