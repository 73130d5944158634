/* kith/list.h: items of all types, their limits, and what is no list. CPython's side is in tests/interop. */
#include "apart.h"
#include "cmocka_kith.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <sys/mman.h>

static char name[64];
static int descriptors_before;
static kith_list *list;

static kith_list_item none(void)
{
    return (kith_list_item){ .type = KITH_LIST_NONE };
}

static kith_list_item boolean(int value)
{
    return (kith_list_item){ .type = KITH_LIST_BOOL, .boolean = value };
}

static kith_list_item integer(int64_t value)
{
    return (kith_list_item){ .type = KITH_LIST_INT, .integer = value };
}

static kith_list_item real(double value)
{
    return (kith_list_item){ .type = KITH_LIST_FLOAT, .real = value };
}

static kith_list_item text(const char *value)
{
    return (kith_list_item){ .type = KITH_LIST_STR, .data = value, .size = strlen(value) };
}

static kith_list_item bytes(const void *data, size_t size)
{
    return (kith_list_item){ .type = KITH_LIST_BYTES, .data = data, .size = size };
}

static int set_up(void **state)
{
    (void)state;
    snprintf(name, sizeof name, "kith-test-list-%d", (int)getpid());
    list = NULL;
    descriptors_before = descriptors();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kith_list_free(list);
    shm_unlink(name);
    assert_int_equal(descriptors(), descriptors_before);
    return 0;
}

static void make(const kith_list_item *items, size_t count)
{
    assert_code(kith_list_new(&list, items, count), 0);
    assert_int_equal(kith_list_length(list), count);
}

static void expect_item(const kith_list *of, size_t index, kith_list_item expected)
{
    kith_list_item item;
    assert_code(kith_list_get(of, index, &item), 0);
    assert_int_equal(item.type, expected.type);
    assert_int_equal(item.boolean, expected.boolean);
    assert_int_equal(item.integer, expected.integer);
    assert_memory_equal(&item.real, &expected.real, sizeof item.real);
    assert_int_equal(item.size, expected.size);
    if (expected.data) {
        assert_memory_equal(item.data, expected.data, expected.size);
        assert_int_equal(((const char *)item.data)[item.size], 0);
    }
    kith_list_item_free(&item);
    assert_int_equal(item.type, KITH_LIST_NONE);
    kith_list_item_free(&item);
}

/* ---- items ---- */

static const char *const chinese = "\xe4\xbd\xa0\xe5\xa5\xbd";

enum { ALL = 18 };

static void fill_all(kith_list_item items[ALL])
{
    const kith_list_item all[ALL] = {
        none(),
        boolean(0),
        boolean(1),
        integer(0),
        integer(INT64_MIN),
        integer(INT64_MAX),
        real(-0.0),
        real(1.5),
        real(INFINITY),
        text(""),
        text("seven 7"),
        text("eight  8"),
        text("nine    9"),
        text(chinese),
        bytes(NULL, 0),
        bytes("\xff\0\xfe", 3),
        bytes("\0\0 not only NULs", 16),
        none(),
    };
    memcpy(items, all, sizeof all);
}

static void items_of_all_types_are_kept(void **state)
{
    (void)state;
    kith_list_item items[ALL];
    fill_all(items);
    make(items, ALL);
    for (size_t i = 0; i < ALL; i++)
        expect_item(list, i, items[i]);
}

static void a_list_may_be_empty(void **state)
{
    (void)state;
    kith_list_item item = none();
    size_t count = 77;
    make(NULL, 0);
    assert_explained(kith_list_get(list, 0, &item), -EINVAL);
    assert_explained(kith_list_set(list, 0, &item), -EINVAL);
    assert_code(kith_list_count(list, &item, &count), 0);
    assert_int_equal(count, 0);
}

static void an_item_can_become_one_of_another_type(void **state)
{
    (void)state;
    kith_list_item items[ALL];
    const kith_list_item first[] = { integer(1), text("0123456789abcde"), integer(3) };
    fill_all(items);
    make(first, 3);
    for (size_t i = 0; i < ALL; i++) {
        assert_code(kith_list_set(list, 1, &items[i]), 0);
        expect_item(list, 1, items[i]);
        expect_item(list, 0, first[0]);
        expect_item(list, 2, first[2]);
    }
    kith_list_item eight = text("eight  8");
    assert_code(kith_list_set(list, 2, &eight), 0);
    expect_item(list, 2, eight);
}

static void an_item_has_to_fit(void **state)
{
    (void)state;
    const kith_list_item first[] = { integer(1), text("1234567"), text("12345678"), bytes("", 0) };
    const size_t places[] = { 8, 8, 16, 8 };
    const char *digits = "0123456789abcdef0";
    make(first, 4);
    for (size_t i = 0; i < 4; i++) {
        kith_list_item fits = bytes(digits, places[i]), does_not = bytes(digits, places[i] + 1);
        assert_explained(kith_list_set(list, i, &does_not), -EMSGSIZE);
        expect_item(list, i, first[i]);
        assert_code(kith_list_set(list, i, &fits), 0);
        expect_item(list, i, fits);
    }
}

static void nuls_at_the_end_are_lost(void **state)
{
    (void)state;
    const kith_list_item items[] = { bytes("a\0b\0\0", 5), { .type = KITH_LIST_STR, .data = "\0\0", .size = 2 } };
    make(items, 2);
    expect_item(list, 0, bytes("a\0b", 3));
    expect_item(list, 1, text(""));
}

static void the_longest_item_is_kept(void **state)
{
    (void)state;
    char *long_text = malloc(KITH_LIST_ITEM_MAX + 1);
    assert_non_null(long_text);
    memset(long_text, 'x', KITH_LIST_ITEM_MAX + 1);
    kith_list_item longest = bytes(long_text, KITH_LIST_ITEM_MAX), too_long = bytes(long_text, KITH_LIST_ITEM_MAX + 1);
    make(&longest, 1);
    expect_item(list, 0, longest);
    kith_list *other = NULL;
    assert_explained(kith_list_new(&other, &too_long, 1), -EMSGSIZE);
    assert_null(other);
    free(long_text);
}

static void what_is_no_text_is_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {
        "\x80",         "a\xff",         "\xc3",         "\xc0\xaf",         "\xc1\xbf",         "\xe4\xbd",
        "\xe0\x9f\xbf", "\xed\xa0\x80",  "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xe4\x41\xa0", "\xf0\x9f\x98z",
    };
    const char *const right[] = { "\x7f",         "\xc2\x80",         "\xe0\xa0\x80",
                                  "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
    const kith_list_item first = text("room for a text");
    make(&first, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const kith_list_item item = text(wrong[i]);
        assert_explained(kith_list_set(list, 0, &item), -EILSEQ);
    }
    expect_item(list, 0, first);
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        const kith_list_item item = text(right[i]);
        assert_code(kith_list_set(list, 0, &item), 0);
        expect_item(list, 0, item);
    }
}

/* ---- finding ---- */

static void expect_found(kith_list_item item, size_t expected, size_t first)
{
    size_t count = 77, index = 77;
    assert_code(kith_list_count(list, &item, &count), 0);
    assert_int_equal(count, expected);
    if (expected == 0)
        assert_explained(kith_list_index(list, &item, &index), -ENOENT);
    else
        assert_code(kith_list_index(list, &item, &index), 0);
    assert_int_equal(index, expected ? first : 77);
}

static void items_are_found_as_python_finds_them(void **state)
{
    (void)state;
    const int64_t odd = ((int64_t)1 << 53) + 1;
    const kith_list_item items[] = {
        integer(0),    integer(1), real(1.0), boolean(1),         none(),       text("1"),
        bytes("1", 1), text(""),   real(NAN), integer(INT64_MAX), integer(odd), none(),
    };
    make(items, sizeof items / sizeof *items);
    expect_found(integer(1), 3, 1);
    expect_found(boolean(7), 3, 1);
    expect_found(real(1), 3, 1);
    expect_found(boolean(0), 1, 0);
    expect_found(real(-0.0), 1, 0);
    expect_found(real(0.5), 0, 0);
    expect_found(none(), 2, 4);
    expect_found(text("1"), 1, 5);
    expect_found(bytes("1", 1), 1, 6);
    expect_found(text(""), 1, 7);
    expect_found(bytes("", 0), 0, 0);
    expect_found(text("2"), 0, 0);
    expect_found(real(NAN), 0, 0);
    expect_found(real(0x1p63), 0, 0);
    expect_found(real(-0x1p63), 0, 0);
    expect_found(real((double)odd), 0, 0); /* it is the float beside it */
    expect_found(integer(odd), 1, 10);
}

/* ---- names and descriptors ---- */

static void a_named_list_is_found_as_it_is(void **state)
{
    (void)state;
    const kith_list_item items[] = { text("hello"), integer(88) };
    kith_list *other = NULL;
    assert_explained(kith_list_open(&list, name, KITH_OPEN, NULL, 0), -ENOENT);
    assert_code(kith_list_open(&list, name, KITH_CREATE, items, 2), 0);
    assert_string_equal(kith_list_name(list), name);
    assert_explained(kith_list_open(&other, name, KITH_CREATE, items, 2), -EEXIST);
    assert_code(kith_list_open(&other, name, KITH_OPEN_OR_CREATE, items, 1), 0);
    assert_int_equal(kith_list_length(other), 2);
    assert_code(kith_list_set(list, 1, &(kith_list_item){ .type = KITH_LIST_BOOL, .boolean = 1 }), 0);
    expect_item(other, 0, items[0]);
    expect_item(other, 1, boolean(1));
    kith_list_free(other);
    assert_code(kith_list_unlink(name), 0);
    assert_explained(kith_list_unlink(name), -ENOENT);
}

static void a_descriptor_becomes_a_list(void **state)
{
    (void)state;
    const kith_list_item item = text("handed on");
    kith_list *first;
    assert_code(kith_list_new(&first, &item, 1), 0);
    assert_null(kith_list_name(first));
    int fd = fcntl(kith_list_share_fd(first), F_DUPFD_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    kith_list_free(first);
    assert_code(kith_list_from_fd(&list, fd), 0);
    close(fd);
    expect_item(list, 0, item);
}

/* ---- bytes of others ---- */

/** Opens what somebody else left under the name. */
static int open_words(const int64_t *words, size_t size)
{
    kith_segment *segment;
    assert_code(kith_segment_open(&segment, name, KITH_CREATE, size), 0);
    memcpy(kith_segment_data(segment), words, size);
    int code = kith_list_open(&list, name, KITH_OPEN, NULL, 0);
    assert_code(kith_segment_unlink(name), 0);
    kith_segment_free(segment);
    return code;
}

static int64_t word(const char *text_of_it)
{
    int64_t number = 0;
    memcpy(&number, text_of_it, strlen(text_of_it));
    return number;
}

static void a_list_of_python_3_8_is_opened(void **state)
{
    (void)state;
    const int64_t words[] = { 2, 16, 8, word("a text o"), word("f 15 B."), 77, word("16s"), word("q"), 1 };
    assert_code(open_words(words, sizeof words - 6), 0);
    assert_int_equal(kith_list_length(list), 2);
    expect_item(list, 0, text("a text of 15 B."));
    expect_item(list, 1, integer(77));
    kith_list_free(list);
    list = NULL;
    assert_code(open_words(&(int64_t){ 0 }, 8), 0); /* the empty one */
    assert_int_equal(kith_list_length(list), 0);
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    const int64_t good[] = { 1, 0, 8, 77, word("q"), 0 };
    const struct {
        size_t word;
        int64_t value;
    } wrong[] = { { 0, -1 }, { 0, 2 }, { 0, 6 },  { 0, INT64_MAX }, { 1, 24 },       { 2, 0 },
                  { 2, -8 }, { 2, 7 }, { 2, 12 }, { 2, 16 },        { 2, INT64_MAX } };
    assert_code(open_words(good, 41), 0);
    expect_item(list, 0, integer(77));
    kith_list_free(list);
    list = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t words[6];
        memcpy(words, good, sizeof words);
        words[wrong[i].word] = wrong[i].value;
        assert_explained(open_words(words, 41), -EINVAL);
        assert_null(list);
    }
    const int64_t uneven[] = { 1, 0, 12, 77, 0, word("q"), 0 };
    assert_explained(open_words(uneven, sizeof uneven), -EINVAL);
    assert_explained(open_words(good, 40), -EINVAL);
    assert_explained(open_words(good, 7), -EINVAL);
}

static void what_is_no_item_is_told(void **state)
{
    (void)state;
    const struct {
        const char *format;
        char kind;
    } wrong[] = { { "", 0 },    { "i", 0 }, { "8s", 0 }, { "16s", 1 }, { "s", 1 },
                  { "-1s", 2 }, { "q", 2 }, { "8x", 2 }, { "q", 4 },   { "q", -1 } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const int64_t words[] = { 1, 0, 8, 77, word(wrong[i].format), wrong[i].kind };
        kith_list_item item = integer(5);
        size_t found = 9;
        assert_code(open_words(words, 41), 0);
        assert_explained(kith_list_get(list, 0, &item), -EBADMSG);
        assert_explained(kith_list_count(list, &item, &found), -EBADMSG);
        assert_explained(kith_list_index(list, &item, &found), -EBADMSG);
        assert_int_equal(item.integer, 5);
        assert_int_equal(found, 9);
        assert_code(kith_list_set(list, 0, &item), 0); /* and can be mended */
        expect_item(list, 0, item);
        kith_list_free(list);
        list = NULL;
    }
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    kith_list_item item = none(), unknown = { .type = (kith_list_type)6 }, no_data = bytes(NULL, 1);
    size_t found;
    assert_explained(kith_list_new(NULL, NULL, 0), -EINVAL);
    assert_explained(kith_list_new(&list, NULL, 1), -EINVAL);
    assert_explained(kith_list_new(&list, &item, SIZE_MAX / 8), -EINVAL);
    assert_explained(kith_list_new(&list, &unknown, 1), -EINVAL);
    assert_explained(kith_list_new(&list, &no_data, 1), -EINVAL);
    assert_explained(kith_list_open(NULL, name, KITH_CREATE, NULL, 0), -EINVAL);
    assert_explained(kith_list_open(&list, "a/b", KITH_CREATE, NULL, 0), -EINVAL);
    assert_explained(kith_list_open(&list, name, (kith_open)0, NULL, 0), -EINVAL);
    assert_explained(kith_list_from_fd(NULL, 0), -EINVAL);
    assert_explained(kith_list_from_fd(&list, -1), -EBADF);
    assert_explained(kith_list_share_fd(NULL), -EINVAL);
    assert_null(kith_list_name(NULL));
    assert_int_equal(kith_list_length(NULL), 0);
    assert_null(list);
    make(&item, 1);
    assert_explained(kith_list_get(NULL, 0, &item), -EINVAL);
    assert_explained(kith_list_get(list, 1, &item), -EINVAL);
    assert_explained(kith_list_get(list, 0, NULL), -EINVAL);
    assert_explained(kith_list_set(NULL, 0, &item), -EINVAL);
    assert_explained(kith_list_set(list, 1, &item), -EINVAL);
    assert_explained(kith_list_set(list, 0, NULL), -EINVAL);
    assert_explained(kith_list_set(list, 0, &unknown), -EINVAL);
    assert_explained(kith_list_set(list, 0, &no_data), -EINVAL);
    assert_explained(kith_list_count(NULL, &item, &found), -EINVAL);
    assert_explained(kith_list_count(list, NULL, &found), -EINVAL);
    assert_explained(kith_list_count(list, &item, NULL), -EINVAL);
    assert_explained(kith_list_index(list, &no_data, &found), -EINVAL);
    kith_list_item_free(NULL);
    kith_list_free(NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(items_of_all_types_are_kept),
        TEST(a_list_may_be_empty),
        TEST(an_item_can_become_one_of_another_type),
        TEST(an_item_has_to_fit),
        TEST(nuls_at_the_end_are_lost),
        TEST(the_longest_item_is_kept),
        TEST(what_is_no_text_is_refused),
        TEST(items_are_found_as_python_finds_them),
        TEST(a_named_list_is_found_as_it_is),
        TEST(a_descriptor_becomes_a_list),
        TEST(a_list_of_python_3_8_is_opened),
        TEST(what_is_no_list_is_refused),
        TEST(what_is_no_item_is_told),
        TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
