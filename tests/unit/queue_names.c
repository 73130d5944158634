/* kith/queue.h, names and descriptors: how processes that are no relatives find a queue. What is true of the names of
 * all objects (kith/memory.h) is tested here, with queues. */
#include "queues.h"

#include <fcntl.h>
#include <kith/sync.h>
#include <sys/stat.h>

/* Names of this process's own, so that tests may run beside each other. */
static char name[64], path[96];

static int set_up(void **state)
{
    static int count;
    snprintf(name, sizeof name, "test-queue-%d-%d", (int)getpid(), count++);
    snprintf(path, sizeof path, "/dev/shm/kith.%s", name);
    return setup(state);
}

static int tear_down(void **state)
{
    unlink(path);
    return teardown(state);
}

#define with_name(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static int open_queue(kith_open how)
{
    kith_queue_free(queue);
    queue = NULL;
    return kith_queue_open(&queue, name, how, NULL);
}

static void leave(void)
{
    kith_queue_free(queue);
    queue = NULL;
}

static bool is_there(void)
{
    return access(path, F_OK) == 0;
}

static int open_and_stay(void)
{
    EXPECT(open_queue(KITH_OPEN_OR_CREATE) == 0);
    return stay();
}

static pid_t begin_user(void)
{
    int step = atomic_load(&board->step);
    pid_t user = begin(open_and_stay);
    wait_for_step(step + 1);
    return user;
}

/* ---- making and opening ---- */

static void a_name_is_made_once_and_opened_often(void **state)
{
    (void)state;
    kith_queue *other = NULL;
    assert_explained(open_queue(KITH_OPEN), -ENOENT);
    assert_null(queue);
    assert_code(open_queue(KITH_CREATE), 0);
    assert_explained(kith_queue_open(&other, name, KITH_CREATE, NULL), -EEXIST);
    assert_null(other);
    assert_code(kith_queue_open(&other, name, KITH_OPEN, NULL), 0);
    put_numbers(1, 2);
    uint64_t number;
    size_t size;
    assert_code(kith_queue_get(other, &number, sizeof number, &size, KITH_NOWAIT), 0);
    assert_int_equal(number, 1);
    kith_queue_free(other);
    assert_code(kith_queue_open(&other, name, KITH_OPEN_OR_CREATE, NULL), 0);
    assert_code(kith_queue_qsize(other), 1);
    kith_queue_free(other);
}

static int open_and_get(void)
{
    EXPECT(open_queue(KITH_OPEN) == 0);
    return get_number(KITH_NOWAIT) == 7 ? 0 : 1;
}

static void another_process_finds_it(void **state)
{
    (void)state;
    assert_code(open_queue(KITH_OPEN_OR_CREATE), 0);
    put_numbers(7, 7);
    assert_int_equal(apart(open_and_get), 0);
    assert_code(kith_queue_empty(queue), 1);
}

static void what_is_there_keeps_its_bounds(void **state)
{
    (void)state;
    kith_queue *other;
    assert_code(kith_queue_open(&queue, name, KITH_CREATE, &(kith_queue_options){ .max_items = 1 }), 0);
    assert_code(kith_queue_open(&other, name, KITH_OPEN_OR_CREATE, &(kith_queue_options){ .max_items = 9 }), 0);
    put_numbers(1, 1);
    assert_code(kith_queue_full(other), 1);
    kith_queue_free(other);
}

static int open_many_times(void)
{
    for (int i = 0; i < 200; i++) {
        int code = open_queue(i % 3 == 0 ? KITH_CREATE : KITH_OPEN_OR_CREATE);
        EXPECT(code == 0 || (i % 3 == 0 && code == -EEXIST));
        EXPECT(code < 0 || put_number(1, KITH_NOWAIT) == 0);
        leave();
    }
    return 0;
}

static void many_who_open_and_make_at_a_time_agree(void **state)
{
    (void)state;
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        children[i] = begin(open_many_times);
    for (int i = 0; i < 4; i++)
        assert_int_equal(end(children[i]), 0);
}

/* ---- stale ---- */

static void a_stale_queue_is_taken_over_with_its_messages(void **state)
{
    (void)state;
    pid_t user = begin_user();
    assert_code(open_queue(KITH_OPEN), 0);
    put_numbers(1, 2);
    leave();
    end_by_kill(user);
    assert_true(is_there());
    assert_code(open_queue(KITH_OPEN), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(open_queue(KITH_OPEN_OR_CREATE), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

static void create_replaces_a_stale_queue_and_no_other(void **state)
{
    (void)state;
    pid_t user = begin_user();
    assert_explained(open_queue(KITH_CREATE), -EEXIST);
    assert_code(open_queue(KITH_OPEN), 0);
    put_numbers(1, 1);
    leave();
    end_by_kill(user);
    assert_code(open_queue(KITH_CREATE), 0);
    assert_code(kith_queue_empty(queue), 1);
    put_numbers(5, 5);
    assert_int_equal(get_number(KITH_NOWAIT), 5);
}

static int reserve_peek_and_stay(void)
{
    void *room;
    const void *data;
    size_t size;
    EXPECT(open_queue(KITH_OPEN) == 0);
    EXPECT(kith_queue_reserve(queue, 8, &room, KITH_NOWAIT) == 0);
    EXPECT(kith_queue_peek(queue, &data, &size, KITH_NOWAIT) == 0);
    return stay();
}

static void what_the_dead_owned_does_not_bind_who_takes_over(void **state)
{
    (void)state;
    assert_code(open_queue(KITH_CREATE), 0);
    put_numbers(1, 1);
    pid_t user = begin(reserve_peek_and_stay);
    wait_for_step(1);
    leave();
    end_by_kill(user);
    assert_code(open_queue(KITH_OPEN), 0);
    put_numbers(2, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

/* ---- unlinking ---- */

static void a_queue_outlives_its_name(void **state)
{
    (void)state;
    kith_queue *first;
    assert_explained(kith_queue_unlink(name), -ENOENT);
    assert_code(open_queue(KITH_CREATE), 0);
    assert_code(kith_queue_unlink(name), 0);
    assert_true(!is_there());
    assert_explained(kith_queue_unlink(name), -ENOENT);
    put_numbers(1, 1);
    first = queue;
    queue = NULL;
    assert_code(open_queue(KITH_CREATE), 0); /* another one, of the same name */
    int empty = kith_queue_empty(queue);
    kith_queue *second = queue;
    queue = first;
    uint64_t number = get_number(KITH_NOWAIT);
    queue = second;
    kith_queue_free(first);
    assert_code(empty, 1);
    assert_int_equal(number, 1);
    assert_true(is_there());
}

/* ---- what is refused ---- */

static void another_kind_is_refused(void **state)
{
    (void)state;
    static const char text[4096] = "this is no object, but long enough to be one, if it were";
    assert_code(open_queue(KITH_CREATE), 0);
    leave();
    int file = open(path, O_RDWR | O_CLOEXEC);
    uint32_t kind = 2; /* a lock's, in the header */
    bool changed = pwrite(file, &kind, sizeof kind, 8) == sizeof kind;
    assert_true(changed);
    assert_explained(open_queue(KITH_OPEN), -EINVAL);
    assert_explained(open_queue(KITH_CREATE), -EINVAL);
    assert_explained(open_queue(KITH_OPEN_OR_CREATE), -EINVAL);
    assert_explained(kith_queue_unlink(name), -EINVAL);
    changed = pwrite(file, text, sizeof text, 0) == sizeof text;
    close(file);
    assert_true(changed);
    assert_explained(open_queue(KITH_OPEN_OR_CREATE), -EINVAL);
    assert_explained(kith_queue_unlink(name), -EINVAL);
    assert_true(is_there());
}

/** Changes the layout's number, as another version of kith would have it. */
static void change_layout(void)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    uint32_t layout = 0;
    bool good = pread(file, &layout, sizeof layout, 12) == sizeof layout;
    layout += 100;
    good = good && pwrite(file, &layout, sizeof layout, 12) == sizeof layout;
    close(file);
    assert_true(good);
}

static void another_layout_is_refused_and_replaced_when_stale(void **state)
{
    (void)state;
    pid_t user = begin_user();
    change_layout();
    assert_explained(open_queue(KITH_OPEN), KITH_ELAYOUT);
    assert_explained(open_queue(KITH_OPEN_OR_CREATE), KITH_ELAYOUT);
    assert_explained(open_queue(KITH_CREATE), -EEXIST);
    end_by_kill(user);
    assert_explained(open_queue(KITH_OPEN), KITH_ELAYOUT);
    assert_code(open_queue(KITH_OPEN_OR_CREATE), 0);
    put_numbers(1, 1);
    leave();
    change_layout();
    assert_code(open_queue(KITH_CREATE), 0);
    assert_code(kith_queue_empty(queue), 1);
    leave();
    change_layout();
    assert_code(kith_queue_unlink(name), 0);
}

static void what_others_may_open_is_refused(void **state)
{
    (void)state;
    assert_code(open_queue(KITH_CREATE), 0);
    leave();
    assert_int_equal(chmod(path, 0666), 0);
    assert_explained(open_queue(KITH_OPEN), -EACCES);
    assert_explained(open_queue(KITH_CREATE), -EACCES);
    assert_explained(open_queue(KITH_OPEN_OR_CREATE), -EACCES);
    assert_explained(kith_queue_unlink(name), -EACCES);
    assert_int_equal(chmod(path, 0640), 0);
    assert_explained(open_queue(KITH_OPEN), -EACCES);
    assert_int_equal(chmod(path, 0600), 0);
    assert_code(open_queue(KITH_OPEN), 0);
}

static void links_and_folders_are_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_true(open_queue(KITH_OPEN_OR_CREATE) < 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    int code = open_queue(KITH_OPEN_OR_CREATE);
    assert_int_equal(rmdir(path), 0);
    assert_true(code < 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(open_queue(KITH_OPEN) < 0); /* and at once */
}

static void only_its_user_may_open_it_whatever_the_umask(void **state)
{
    (void)state;
    static const mode_t masks[] = { 0, 0777 };
    for (int i = 0; i < 2; i++) {
        struct stat status;
        mode_t before = umask(masks[i]);
        int code = open_queue(KITH_CREATE);
        umask(before);
        assert_code(code, 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        assert_code(kith_queue_unlink(name), 0);
    }
}

static void bad_names_are_explained(void **state)
{
    (void)state;
    char text[KITH_NAME_MAX + 2];
    memset(text, 'n', sizeof text);
    text[KITH_NAME_MAX + 1] = 0;
    static const char *const bad[] = { "", "a/b", "/", "../x" };
    for (int i = 0; i < 4; i++) {
        assert_explained(kith_queue_open(&queue, bad[i], KITH_OPEN_OR_CREATE, NULL), -EINVAL);
        assert_explained(kith_queue_unlink(bad[i]), -EINVAL);
    }
    assert_explained(kith_queue_open(&queue, text, KITH_OPEN_OR_CREATE, NULL), -EINVAL);
    assert_explained(kith_queue_open(&queue, NULL, KITH_OPEN_OR_CREATE, NULL), -EINVAL);
    assert_explained(kith_queue_unlink(NULL), -EINVAL);
    assert_explained(kith_queue_open(NULL, name, KITH_OPEN_OR_CREATE, NULL), -EINVAL);
    assert_explained(kith_queue_open(&queue, name, (kith_open)0, NULL), -EINVAL);
    assert_explained(kith_queue_open(&queue, name, (kith_open)4, NULL), -EINVAL);
    assert_explained(kith_queue_open(&queue, name, KITH_CREATE, &(kith_queue_options){ .max_bytes = 7 }), -EINVAL);
    assert_null(queue);
    assert_true(!is_there());
    text[KITH_NAME_MAX] = 0; /* the longest */
    assert_code(kith_queue_open(&queue, text, KITH_CREATE, NULL), 0);
    assert_code(kith_queue_unlink(text), 0);
}

/* ---- descriptors ---- */

static int shared;

static int make_another_handle_and_get(void)
{
    EXPECT(fcntl(shared, F_GETFD) >= 0);
    int kept = dup(shared);
    EXPECT(kith_queue_close(queue) == 0);
    EXPECT(fcntl(shared, F_GETFD) < 0); /* it was the queue's */
    kith_queue_free(queue);
    EXPECT(kith_queue_from_fd(&queue, kept) == 0);
    EXPECT(close(kept) == 0); /* it was the caller's */
    EXPECT(get_number(KITH_NOWAIT) == 3);
    EXPECT(put_number(4, KITH_NOWAIT) == 0);
    return 0;
}

static void a_descriptor_becomes_a_handle(void **state)
{
    (void)state;
    make(0, 0);
    shared = kith_queue_share_fd(queue);
    assert_true(shared >= 0);
    put_numbers(3, 3);
    assert_int_equal(apart(make_another_handle_and_get), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 4);
}

static void who_has_a_descriptor_has_the_queue_open(void **state)
{
    (void)state;
    assert_code(open_queue(KITH_CREATE), 0);
    int kept = dup(kith_queue_share_fd(queue));
    leave();
    int code = open_queue(KITH_CREATE);
    close(kept);
    assert_explained(code, -EEXIST);
    assert_code(open_queue(KITH_CREATE), 0);
}

static void descriptors_of_other_things_are_refused(void **state)
{
    (void)state;
    int files[2];
    assert_explained(kith_queue_share_fd(NULL), -EINVAL);
    assert_explained(kith_queue_from_fd(NULL, 0), -EINVAL);
    assert_explained(kith_queue_from_fd(&queue, -1), -EBADF);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), memory = memfd_create("empty", MFD_CLOEXEC);
    int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pipe2(files, O_CLOEXEC | O_NONBLOCK), 0);
    int codes[] = { kith_queue_from_fd(&queue, null), kith_queue_from_fd(&queue, memory),
                    kith_queue_from_fd(&queue, program), kith_queue_from_fd(&queue, files[0]) };
    close(null);
    close(memory);
    close(program);
    close(files[0]);
    close(files[1]);
    for (int i = 0; i < 4; i++)
        assert_code(codes[i], -EINVAL);
    assert_null(queue);
    make(0, 0);
    assert_code(kith_queue_close(queue), 0);
    assert_explained(kith_queue_share_fd(queue), KITH_ECLOSED);
}

/* ---- nothing is left behind ---- */

/** What the folder has of kith's, but for what others do beside this test. */
static int objects_left(void)
{
    DIR *folder = opendir("/dev/shm");
    if (!folder)
        return -1;
    int count = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += strncmp(entry->d_name, "kith.", 5) == 0 && strstr(entry->d_name, name) != NULL;
    closedir(folder);
    return count;
}

static int make_and_use_anonymous(void)
{
    EXPECT(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = 1 }) == 0);
    EXPECT(put_number(1, KITH_NOWAIT) == 0 && get_number(KITH_NOWAIT) == 1);
    struct stat status;
    EXPECT(fstat(kith_queue_share_fd(queue), &status) == 0);
    EXPECT(status.st_nlink == 0); /* it has no name, so it goes with the last descriptor */
    return stay();
}

static void anonymous_queues_leave_nothing_behind(void **state)
{
    (void)state;
    pid_t user = begin(make_and_use_anonymous);
    wait_for_step(1);
    assert_int_equal(objects_left(), 0);
    end_by_kill(user);
    assert_int_equal(objects_left(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_name(a_name_is_made_once_and_opened_often),
        with_name(another_process_finds_it),
        with_name(what_is_there_keeps_its_bounds),
        with_name(many_who_open_and_make_at_a_time_agree),
        with_name(a_stale_queue_is_taken_over_with_its_messages),
        with_name(create_replaces_a_stale_queue_and_no_other),
        with_name(what_the_dead_owned_does_not_bind_who_takes_over),
        with_name(a_queue_outlives_its_name),
        with_name(another_kind_is_refused),
        with_name(another_layout_is_refused_and_replaced_when_stale),
        with_name(what_others_may_open_is_refused),
        with_name(links_and_folders_are_refused),
        with_name(only_its_user_may_open_it_whatever_the_umask),
        with_name(bad_names_are_explained),
        with_name(a_descriptor_becomes_a_handle),
        with_name(who_has_a_descriptor_has_the_queue_open),
        with_name(descriptors_of_other_things_are_refused),
        with_name(anonymous_queues_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
