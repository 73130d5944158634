/* kith/heap.h: blocks that are whole, apart from each other and found again; what is refused; roots and pointers. What
 * becomes of a heap when processes are killed in its calls is in tests/crash/every_instruction_heap.c. */
#include "apart.h"
#include "cmocka_kith.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { SIZE = 1 << 16 };

static char name[64];
static int descriptors_before;
static kith_heap *heap;

static int set_up(void **state)
{
    (void)state;
    snprintf(name, sizeof name, "test-heap-%d", (int)getpid());
    descriptors_before = descriptors();
    return kith_heap_new(&heap, SIZE);
}

static int tear_down(void **state)
{
    (void)state;
    if (apart_running && kill(apart_running, SIGKILL) == 0)
        apart_wait(apart_running);
    kith_heap_free(heap);
    kith_heap_unlink(name);
    assert_int_equal(descriptors(), descriptors_before);
    return 0;
}

static kith_heap_stats stats(void)
{
    kith_heap_stats seen;
    assert_code(kith_heap_get_stats(heap, &seen), 0);
    return seen;
}

static uint64_t take(size_t size)
{
    uint64_t offset = kith_heap_allocate(heap, size);
    if (!offset)
        fail_msg("%zu bytes: %s", size, kith_error_detail());
    return offset;
}

static void expect_none(uint64_t offset)
{
    assert_int_equal(offset, 0);
    assert_true(strlen(kith_error_detail()) > 10);
}

/* ---- blocks ---- */

static void blocks_are_aligned_and_apart(void **state)
{
    (void)state;
    uint64_t offsets[100];
    for (size_t i = 0; i < 100; i++) {
        offsets[i] = take(i);
        assert_int_equal((uintptr_t)kith_heap_at(heap, offsets[i]) % 16, 0);
        memset(kith_heap_at(heap, offsets[i]), (int)i, i);
    }
    assert_int_equal(stats().blocks, 100);
    for (size_t i = 0; i < 100; i++) {
        const unsigned char *bytes = kith_heap_at(heap, offsets[i]);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(bytes[j], i);
        assert_code(kith_heap_deallocate(heap, offsets[i]), 0);
    }
}

static void a_heap_whose_blocks_are_freed_is_whole_again(void **state)
{
    (void)state;
    const int orders[4][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 0, 2, 1 }, { 1, 0, 2 } };
    kith_heap_stats fresh = stats();
    assert_int_equal(fresh.used, 0);
    assert_int_equal(fresh.free, fresh.largest);
    assert_true(fresh.free > SIZE - 2600);
    for (int i = 0; i < 4; i++) {
        uint64_t offsets[3];
        for (int j = 0; j < 3; j++)
            offsets[j] = take(100);
        assert_int_equal(stats().used, 3 * 112);
        for (int j = 0; j < 3; j++)
            assert_code(kith_heap_deallocate(heap, offsets[orders[i][j]]), 0);
        kith_heap_stats now = stats();
        assert_memory_equal(&now, &fresh, sizeof now);
    }
}

static void the_largest_block_can_be_had_and_no_larger_one(void **state)
{
    (void)state;
    uint64_t first = take(1000), second = take(20000);
    take(1000);
    assert_code(kith_heap_deallocate(heap, second), 0);
    for (int i = 0; i < 2; i++) {
        uint64_t largest = stats().largest;
        expect_none(kith_heap_allocate(heap, largest + 1));
        assert_non_null(strstr(kith_error_detail(), "no free block"));
        take(largest);
    }
    assert_int_equal(stats().free, 0);
    expect_none(kith_heap_allocate(heap, 0));
    assert_code(kith_heap_deallocate(heap, first), 0);
    take(1000);
    const size_t huge[] = { SIZE, SIZE_MAX - 8, SIZE_MAX, (size_t)1 << 47 };
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++)
        expect_none(kith_heap_allocate(heap, huge[i]));
}

static void the_smallest_heap_has_room(void **state)
{
    (void)state;
    kith_heap_free(heap);
    heap = NULL;
    assert_code(kith_heap_new(&heap, KITH_HEAP_MIN), 0);
    assert_int_equal(stats().free, stats().largest);
    assert_true(stats().largest > KITH_HEAP_MIN - 2600);
    memset(kith_heap_at(heap, take(stats().largest)), 0xff, stats().used);
    assert_int_equal(stats().free, 0);
}

/* Many blocks of nearly one size are on one list, the first of them too small. */
static void a_block_far_down_its_list_is_found(void **state)
{
    (void)state;
    uint64_t offsets[2 * 30];
    for (int i = 0; i < 30; i++) {
        offsets[2 * i] = take(i == 0 ? 1072 : 1024);
        offsets[2 * i + 1] = take(1);
    }
    take(stats().largest);
    for (int i = 0; i < 30; i++)
        assert_code(kith_heap_deallocate(heap, offsets[2 * i]), 0);
    assert_int_equal(take(1072), offsets[0]);
}

static void blocks_grow_and_shrink_in_place_where_there_is_room(void **state)
{
    (void)state;
    kith_heap_stats fresh = stats();
    uint64_t offset = kith_heap_reallocate(heap, 0, 100);
    assert_true(offset != 0);
    strcpy(kith_heap_at(heap, offset), "what it holds");
    const size_t sizes[] = { 1000, 5000, 4990, 300, 20, 0, 14, 40000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(kith_heap_reallocate(heap, offset, sizes[i]), offset);
        assert_int_equal(stats().blocks, 1);
        assert_true(stats().used >= sizes[i] && stats().used < sizes[i] + 32);
        assert_int_equal(stats().free, stats().largest);
    }
    assert_string_equal(kith_heap_at(heap, offset), "what it holds");
    assert_code(kith_heap_deallocate(heap, offset), 0);
    kith_heap_stats now = stats();
    assert_memory_equal(&now, &fresh, sizeof now);
}

static void a_block_without_room_behind_it_moves(void **state)
{
    (void)state;
    uint64_t offset = take(100);
    take(100);
    strcpy(kith_heap_at(heap, offset), "what it holds");
    uint64_t moved = kith_heap_reallocate(heap, offset, 1000);
    assert_true(moved != 0 && moved != offset);
    assert_string_equal(kith_heap_at(heap, moved), "what it holds");
    assert_int_equal(stats().blocks, 2);
    assert_int_equal(take(100), offset); /* which is free */
    expect_none(kith_heap_reallocate(heap, moved, SIZE));
    assert_string_equal(kith_heap_at(heap, moved), "what it holds");
}

/* ---- at random, against a list that the test keeps ---- */

struct record {
    uint64_t offset;
    size_t size;
    unsigned char fill;
};

static bool holds(const struct record *record)
{
    const unsigned char *bytes = kith_heap_at(heap, record->offset);
    for (size_t i = 0; i < record->size; i++) {
        if (bytes[i] != record->fill)
            return false;
    }
    return true;
}

static size_t some_size(unsigned *seed)
{
    return (size_t)rand_r(seed) % ((size_t)1 << (unsigned)rand_r(seed) % 13);
}

/** Allocates, resizes and frees, and looks whether blocks hold what was put there. @return 0 when all went well */
static int work(unsigned seed, int turns)
{
    struct record records[64] = { { 0 } };
    for (int turn = 0; turn < turns; turn++) {
        struct record *record = &records[(unsigned)rand_r(&seed) % 64];
        EXPECT(!record->offset || holds(record));
        size_t size = some_size(&seed);
        if (record->offset && rand_r(&seed) % 2) {
            EXPECT(kith_heap_deallocate(heap, record->offset) == 0);
            record->offset = 0;
            continue;
        }
        uint64_t offset = kith_heap_reallocate(heap, record->offset, size);
        if (!offset)
            continue;
        record->size = record->offset && record->size < size ? record->size : record->offset ? size : 0;
        record->offset = offset;
        EXPECT(holds(record));
        *record = (struct record){ offset, size, (unsigned char)rand_r(&seed) };
        memset(kith_heap_at(heap, offset), record->fill, size);
    }
    for (int i = 0; i < 64; i++) {
        EXPECT(!records[i].offset || holds(&records[i]));
        EXPECT(kith_heap_deallocate(heap, records[i].offset) == 0);
    }
    return 0;
}

enum { TURNS = 20000 };

static int work_in_a_child(void)
{
    return work(7, TURNS);
}

static void *work_in_a_thread(void *nothing)
{
    return work(8, TURNS) == 0 ? nothing : &heap;
}

static void processes_and_threads_use_one_heap(void **state)
{
    (void)state;
    pthread_t thread;
    void *failure;
    kith_heap_stats fresh = stats();
    pid_t child = apart_start(work_in_a_child);
    assert_true(child > 0);
    assert_int_equal(pthread_create(&thread, NULL, work_in_a_thread, NULL), 0);
    int mine = work(9, TURNS);
    pthread_join(thread, &failure);
    assert_int_equal(apart_wait(child), 0);
    assert_null(failure);
    assert_int_equal(mine, 0);
    kith_heap_stats now = stats();
    assert_memory_equal(&now, &fresh, sizeof now);
}

/* ---- what is refused ---- */

static void what_is_no_block_is_not_freed(void **state)
{
    (void)state;
    uint64_t first = take(100), second = take(100), third = take(100);
    memset(kith_heap_at(heap, second), 0xff, 100);
    assert_code(kith_heap_deallocate(heap, 0), 0);
    const uint64_t wrong[] = {
        1, 16, first + 1, first + 8, first + 16, second - 16, SIZE, UINT64_MAX, UINT64_MAX - 15
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_explained(kith_heap_deallocate(heap, wrong[i]), -EINVAL);
        expect_none(kith_heap_reallocate(heap, wrong[i], 10));
    }
    assert_int_equal(stats().blocks, 3);
    assert_code(kith_heap_deallocate(heap, third), 0);
    assert_code(kith_heap_deallocate(heap, first), 0);
    assert_code(kith_heap_deallocate(heap, second), 0);
}

static void a_block_is_freed_once(void **state)
{
    (void)state;
    uint64_t offsets[3];
    for (int i = 0; i < 3; i++)
        offsets[i] = take(100);
    for (int i = 0; i < 3; i++) { /* alone, joined with the one before, with those on both sides */
        assert_code(kith_heap_deallocate(heap, offsets[i]), 0);
        for (int j = 0; j <= i; j++)
            assert_explained(kith_heap_deallocate(heap, offsets[j]), -EINVAL);
    }
    uint64_t larger = take(1000);
    assert_int_equal(larger, offsets[0]);
    assert_explained(kith_heap_deallocate(heap, offsets[1]), -EINVAL); /* in the middle of it now */
}

/** What looks like the start of a block, but was put there by a program. */
static void what_only_looks_like_a_block_is_not_freed(void **state)
{
    (void)state;
    uint64_t block = take(100), size_and_used = 48 | 1;
    for (uint64_t at = block; at < block + 64; at += 16) {
        memcpy(kith_heap_at(heap, at), &size_and_used, sizeof size_and_used);
        assert_explained(kith_heap_deallocate(heap, at + 16), -EINVAL);
    }
    assert_code(kith_heap_deallocate(heap, block), 0);
}

static int overwrite_and_die(void)
{
    uint64_t block = take(100);
    signal(SIGSEGV, SIG_DFL);
    prctl(PR_SET_DUMPABLE, 0); /* no core file */
    close(STDERR_FILENO);      /* nor what a sanitizer would say */
    kith_heap_deallocate(heap, block);
    memset((char *)kith_heap_at(heap, block) - 16, 0x7f, 64); /* also what leads to the next free block */
    return kith_heap_allocate(heap, 100) == 0; /* and to crash on the way there, in the middle of the call */
}

static void an_overwritten_heap_is_told_after_a_death(void **state)
{
    (void)state;
    kith_heap_stats seen = { 1, 2, 3, 4 };
    uint64_t block = take(100);
    strcpy(kith_heap_at(heap, block), "can be read");
    assert_int_not_equal(apart(overwrite_and_die), 0);
    for (int i = 0; i < 2; i++) {
        assert_explained(kith_heap_deallocate(heap, block), -ENOTRECOVERABLE);
        expect_none(kith_heap_allocate(heap, 1));
        expect_none(kith_heap_reallocate(heap, block, 1));
        assert_explained(kith_heap_get_stats(heap, &seen), -ENOTRECOVERABLE);
    }
    assert_int_equal(seen.blocks, 4);
    assert_string_equal(kith_heap_at(heap, block), "can be read");
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    kith_heap *other = NULL;
    kith_heap_stats seen;
    _Alignas(64) static char memory[8192];
    assert_explained(kith_heap_new(NULL, SIZE), -EINVAL);
    assert_explained(kith_heap_new(&other, KITH_HEAP_MIN - 1), -EINVAL);
    assert_explained(kith_heap_new(&other, KITH_HEAP_MAX + 1), -EINVAL);
    assert_explained(kith_heap_open(NULL, name, KITH_CREATE, SIZE), -EINVAL);
    assert_explained(kith_heap_open(&other, NULL, KITH_CREATE, SIZE), -EINVAL);
    assert_explained(kith_heap_open(&other, name, KITH_CREATE, 0), -EINVAL);
    assert_explained(kith_heap_open(&other, name, (kith_open)9, SIZE), -EINVAL);
    assert_explained(kith_heap_in(NULL, memory, sizeof memory, KITH_CREATE), -EINVAL);
    assert_explained(kith_heap_in(&other, NULL, sizeof memory, KITH_CREATE), -EINVAL);
    assert_explained(kith_heap_in(&other, memory + 32, 8000, KITH_CREATE), -EINVAL);
    assert_explained(kith_heap_in(&other, memory, 100, KITH_CREATE), -EINVAL);
    assert_explained(kith_heap_in(&other, memory, sizeof memory, KITH_OPEN_OR_CREATE), -EINVAL);
    assert_explained(kith_heap_in(&other, memory, sizeof memory, KITH_OPEN), -EINVAL); /* there is none */
    assert_explained(kith_heap_from_fd(NULL, 0), -EINVAL);
    assert_explained(kith_heap_from_fd(&other, -1), -EBADF);
    assert_explained(kith_heap_share_fd(NULL), -EINVAL);
    assert_explained(kith_heap_deallocate(NULL, 16), -EINVAL);
    assert_explained(kith_heap_get_stats(NULL, &seen), -EINVAL);
    assert_explained(kith_heap_get_stats(heap, NULL), -EINVAL);
    assert_explained(kith_heap_set_root(NULL, 0, 0), -EINVAL);
    assert_explained(kith_heap_set_root(heap, 0, SIZE), -EINVAL);
    assert_explained(kith_heap_set_root(heap, 0, 8), -EINVAL);
    expect_none(kith_heap_allocate(NULL, 1));
    expect_none(kith_heap_reallocate(NULL, 16, 1));
    assert_int_equal(kith_heap_root(NULL), 0);
    assert_null(kith_heap_at(NULL, 16));
    assert_null(kith_heap_at(heap, 0));
    assert_null(kith_heap_at(heap, SIZE));
    assert_int_equal(kith_heap_offset(heap, NULL), 0);
    assert_int_equal(kith_heap_offset(heap, memory), 0);
    assert_int_equal(kith_heap_offset(NULL, memory), 0);
    assert_null(other);
    kith_heap_free(NULL);
}

/* ---- roots, names, descriptors ---- */

static int append_to_root(void)
{
    kith_heap *other;
    EXPECT(kith_heap_open(&other, name, KITH_OPEN, 0) == 0);
    uint64_t offset = kith_heap_allocate(other, 20);
    EXPECT(kith_heap_root(other) == 0 && offset);
    strcpy(kith_heap_at(other, offset), "from the child");
    EXPECT(kith_heap_set_root(other, 0, offset) == 0);
    EXPECT(kith_heap_set_root(other, 0, offset) == -EAGAIN);
    kith_heap_free(other);
    return 0;
}

static void a_root_is_found_by_others(void **state)
{
    (void)state;
    kith_heap_free(heap);
    heap = NULL;
    assert_code(kith_heap_open(&heap, name, KITH_CREATE, SIZE), 0);
    assert_int_equal(apart(append_to_root), 0);
    uint64_t root = kith_heap_root(heap);
    assert_string_equal(kith_heap_at(heap, root), "from the child");
    assert_explained(kith_heap_set_root(heap, 0, root), -EAGAIN);
    assert_code(kith_heap_deallocate(heap, root), 0);
    assert_code(kith_heap_set_root(heap, root, 0), 0);
    assert_int_equal(kith_heap_root(heap), 0);
}

static void a_named_heap_outlives_its_users(void **state)
{
    (void)state;
    kith_heap_free(heap);
    heap = NULL;
    assert_code(kith_heap_open(&heap, name, KITH_OPEN_OR_CREATE, SIZE), 0);
    uint64_t offset = take(100);
    strcpy(kith_heap_at(heap, offset), "testament");
    assert_code(kith_heap_set_root(heap, 0, offset), 0);
    kith_heap_free(heap);
    heap = NULL;
    assert_code(kith_heap_open(&heap, name, KITH_OPEN_OR_CREATE, 2 * SIZE), 0);
    assert_string_equal(kith_heap_at(heap, kith_heap_root(heap)), "testament");
    assert_int_equal(stats().blocks, 1);
    kith_heap_free(heap);
    heap = NULL;
    assert_code(kith_heap_open(&heap, name, KITH_CREATE, SIZE), 0); /* nobody had it */
    assert_int_equal(stats().blocks, 0);
    assert_code(kith_heap_unlink(name), 0);
    assert_explained(kith_heap_unlink(name), -ENOENT);
}

static void a_descriptor_becomes_a_heap(void **state)
{
    (void)state;
    uint64_t offset = take(100);
    strcpy(kith_heap_at(heap, offset), "handed on");
    int fd = fcntl(kith_heap_share_fd(heap), F_DUPFD_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    kith_heap_free(heap);
    heap = NULL;
    kith_array *array = NULL;
    assert_explained(kith_array_from_fd(&array, fd), -EINVAL);
    assert_non_null(strstr(kith_error_detail(), "heap"));
    assert_code(kith_heap_from_fd(&heap, fd), 0);
    close(fd);
    assert_string_equal(kith_heap_at(heap, offset), "handed on");
    assert_code(kith_heap_deallocate(heap, offset), 0);
}

static void a_heap_may_lie_inside_a_segment(void **state)
{
    (void)state;
    kith_segment *segment, *again;
    kith_heap *inside, *found;
    assert_code(kith_segment_new(&segment, SIZE), 0);
    assert_code(kith_segment_from_fd(&again, kith_segment_share_fd(segment)), 0);
    memset(kith_segment_data(segment), 0xff, SIZE);
    char *memory = (char *)kith_segment_data(segment) + 128;
    assert_code(kith_heap_in(&inside, memory, SIZE - 1128, KITH_CREATE), 0);
    uint64_t offset = kith_heap_allocate(inside, 100);
    strcpy(kith_heap_at(inside, offset), "inside");
    assert_explained(kith_heap_share_fd(inside), -EINVAL);
    char *elsewhere = (char *)kith_segment_data(again) + 128;
    assert_explained(kith_heap_in(&found, elsewhere, SIZE / 2, KITH_OPEN), KITH_ELAYOUT); /* it is longer */
    assert_code(kith_heap_in(&found, elsewhere, SIZE - 128, KITH_OPEN), 0);
    assert_string_equal(kith_heap_at(found, offset), "inside");
    while ((offset = kith_heap_allocate(found, 1000)))
        memset(kith_heap_at(found, offset), 0, 1000);
    kith_heap_free(inside);
    kith_heap_free(found);
    for (size_t i = 0; i < 128; i++)
        assert_int_equal(((unsigned char *)kith_segment_data(segment))[i], 0xff);
    for (size_t i = SIZE - 1000; i < SIZE; i++)
        assert_int_equal(((unsigned char *)kith_segment_data(segment))[i], 0xff);
    kith_segment_free(segment);
    kith_segment_free(again);
}

/* ---- pointers ---- */

struct node {
    kith_relative next; /* first, so that a pointer to its own node is a pointer to itself */
    int number;
};

static void relative_pointers_hold_wherever_the_heap_lies(void **state)
{
    (void)state;
    struct node *first = kith_heap_at(heap, take(sizeof *first)), *second = kith_heap_at(heap, take(sizeof *second));
    *first = (struct node){ .number = 1 };
    *second = (struct node){ .number = 2 };
    assert_null(kith_relative_get(&first->next));
    kith_relative_set(&first->next, second);
    kith_relative_set(&second->next, first);
    assert_code(kith_heap_set_root(heap, 0, kith_heap_offset(heap, first)), 0);
    kith_heap *elsewhere;
    assert_code(kith_heap_from_fd(&elsewhere, kith_heap_share_fd(heap)), 0);
    struct node *node = kith_heap_at(elsewhere, kith_heap_root(elsewhere));
    assert_ptr_not_equal(node, first);
    assert_int_equal(node->number, 1);
    assert_int_equal(((struct node *)kith_relative_get(&node->next))->number, 2);
    assert_ptr_equal(kith_relative_get(&((struct node *)kith_relative_get(&node->next))->next), node);
    kith_relative_set(&node->next, node);
    assert_ptr_equal(kith_relative_get(&first->next), first);
    kith_relative_set(&node->next, NULL);
    assert_null(kith_relative_get(&first->next));
    kith_heap_free(elsewhere);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_aligned_and_apart),
        TEST(a_heap_whose_blocks_are_freed_is_whole_again),
        TEST(the_largest_block_can_be_had_and_no_larger_one),
        TEST(the_smallest_heap_has_room),
        TEST(a_block_far_down_its_list_is_found),
        TEST(blocks_grow_and_shrink_in_place_where_there_is_room),
        TEST(a_block_without_room_behind_it_moves),
        TEST(processes_and_threads_use_one_heap),
        TEST(what_is_no_block_is_not_freed),
        TEST(a_block_is_freed_once),
        TEST(what_only_looks_like_a_block_is_not_freed),
        TEST(an_overwritten_heap_is_told_after_a_death),
        TEST(bad_arguments_are_refused),
        TEST(a_root_is_found_by_others),
        TEST(a_named_heap_outlives_its_users),
        TEST(a_descriptor_becomes_a_heap),
        TEST(a_heap_may_lie_inside_a_segment),
        TEST(relative_pointers_hold_wherever_the_heap_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
