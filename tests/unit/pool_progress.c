/* kith/pool.h: the ready-made progress line, on terminals and elsewhere. What time makes of it is told by its form. */
#include "apart.h"
#include "cmocka_kith.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

static int reader, writer; /* the two ends of what the line is shown on */
static kith_progress_line line;

/* ---- where it is shown ---- */

static int set_up_terminal(void **state)
{
    (void)state;
    struct termios raw = { 0 };
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    cfmakeraw(&raw); /* so a line break stays what it is */
    raw.c_cflag |= CREAD;
    if (openpty(&reader, &writer, NULL, &raw, &size) < 0)
        return -1;
    line = (kith_progress_line){ .fd = writer };
    return 0;
}

static int set_up_pipe(void **state)
{
    (void)state;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    reader = ends[0];
    writer = ends[1];
    line = (kith_progress_line){ .fd = writer };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(reader);
    close(writer);
    return 0;
}

static void set_width(unsigned short columns)
{
    struct winsize size = { .ws_row = 24, .ws_col = columns };
    assert_int_equal(ioctl(writer, TIOCSWINSZ, &size), 0);
}

/* ---- what is shown ---- */

static char shown[4096];

/** All that was written since it was asked last. A terminal has it at the other end a moment after the write, so the
 *  test writes a mark behind it. */
static const char *see(void)
{
    static const char mark = '\4';
    size_t size = 0;
    assert_int_equal(write(writer, &mark, 1), 1);
    do {
        assert_true(size < sizeof shown - 1);
        ssize_t got = read(reader, shown + size, sizeof shown - 1 - size);
        assert_true(got > 0);
        size += (size_t)got;
    } while (shown[size - 1] != mark);
    shown[size - 1] = 0;
    return shown;
}

static const char *show(size_t done, size_t total)
{
    kith_progress_show(&line, done, total);
    return see();
}

/** As if the first had been shown so long ago. */
static void began_before(double seconds)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    line.began = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)(seconds * 1e9);
}

#define assert_like(text, pattern) assert_like_at((text), (pattern), __FILE__, __LINE__)

static void assert_like_at(const char *text, const char *pattern, const char *file, int at)
{
    regex_t compiled;
    assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int unlike = regexec(&compiled, text, 0, NULL, 0);
    regfree(&compiled);
    if (!unlike)
        return;
    print_error("\"%s\" is not like \"%s\"\n", text, pattern);
    _fail(file, at);
}

/* ---- the form ---- */

static void it_tells_label_share_count_rate_and_time_left(void **state)
{
    (void)state;
    line.label = "digests";
    began_before(5);
    assert_like(show(61000, 100000), "^\rdigests  61 %  61000/100000  1(1|2)[0-9]{3}/s  0:0[4-9] left *$");
}

static void it_begins_with_what_is_known(void **state)
{
    (void)state;
    assert_like(show(0, 1000), "^\r0 %  0/1000$");
}

static void no_time_at_all_gives_no_rate(void **state)
{
    (void)state;
    line.label = "quick";
    assert_like(show(10, 10), "^\rquick  100 %  10/10  in 0:00\n$"); /* the first call and the last in one */
}

static void a_total_that_is_not_known_is_left_out(void **state)
{
    (void)state;
    line.label = "rows";
    began_before(10);
    assert_like(show(1000, 0), "^\rrows  1000  (100|9[0-9])/s$");
    assert_like(show(2000, 0), "^\rrows  2000  (200|1[0-9]{2})/s$");
    assert_like(show(2000, 2000), "^\rrows  100 %  2000/2000  (200|1[0-9]{2})/s  in 0:[1-9][0-9]\n$");
}

static void slow_tasks_have_a_rate_too(void **state)
{
    (void)state;
    began_before(100);
    assert_like(show(50, 1000), "^\r5 %  50/1000  0\\.[45][0-9]?/s  3[1-9]:[0-9]{2} left$");
}

static void it_is_not_done_before_all_is(void **state)
{
    (void)state;
    assert_like(show(999999, 1000000), "^\r99 %  999999/1000000");
}

static void hours_and_days_are_told_as_such(void **state)
{
    (void)state;
    began_before(3600);
    assert_like(show(1, 3), "^\r33 %  1/3  0\\.00028/s  2:00:0[0-9] left");
    assert_like(show(1, 1000), "^\r0 %  1/1000  0\\.00028/s  41 days left");
}

static void huge_numbers_fit(void **state)
{
    (void)state;
    set_width(200);
    began_before(1);
    assert_like(show(SIZE_MAX - 1, SIZE_MAX),
                "^\r99 %  18446744073709551614/18446744073709551615  1[0-9]{19}/s  0:01 left$");
    assert_like(show(1, SIZE_MAX), "^\r0 %  1/18446744073709551615  (1|0\\.[0-9]+)/s  49710 days left *$");
}

static void a_label_can_not_write_elsewhere(void **state)
{
    (void)state;
    line.label = "a\nb\x1b[2Jc\x7f\xff\xc2\x9b"
                 "d";
    assert_like(show(0, 9), "^\ra\\?b\\?\\[2Jc\\?\\?\\?d  0 %  0/9$");
}

static void an_empty_label_is_none(void **state)
{
    (void)state;
    line.label = "";
    assert_like(show(0, 9), "^\r0 %  0/9$");
}

/* ---- the place ---- */

static void a_shorter_line_leaves_nothing_of_the_one_before(void **state)
{
    (void)state;
    began_before(1);
    size_t longer = strlen(show(123456, 1000000));
    line.label = NULL;
    line.began = 0; /* no rate, so it is shorter */
    assert_int_equal(strlen(show(0, 10)), longer);
    assert_like(shown, "^\r0 %  0/10 +$");
    assert_string_equal(show(0, 10), "\r0 %  0/10");
}

/** The columns that it takes: those of the characters, where \xe6.. take two. */
static size_t columns(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\r' || *text == '\n' || (*text & 0xC0) == 0x80 ? 0 : (*text & 0xF0) == 0xE0 ? 2 : 1;
    return count;
}

static void it_is_never_wider_than_the_terminal(void **state)
{
    (void)state;
    static const char *const labels[] = { "a label that is longer than some terminals are wide", "größenwähnerisch",
                                          "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        for (unsigned short width = 1; width < 120; width++) {
            set_width(width);
            line = (kith_progress_line){ .fd = writer, .label = labels[i] };
            began_before(100);
            assert_true(columns(show(61000, 100000)) < width);
            assert_true(columns(show(100000, 100000)) < width);
        }
    }
}

static void a_narrow_terminal_gets_what_matters_most(void **state)
{
    (void)state;
    static const struct {
        unsigned short width;
        const char *pattern;
    } cases[] = {
        { 60, "^\rto digest  61 %  61000/100000  6[01][0-9]/s  1:0[45] left *$" },
        { 45, "^\rto dig  61 %  61000/100000  6[01][0-9]/s  1:0[45] left *$" },
        { 36, "^\rto d  61 %  61000/100000  1:0[45] left *$" },
        { 30, "^\r61 %  61000/100000  1:0[45] left *$" },
        { 29, "^\rto diges  61 %  61000/100000 *$" },
        { 19, "^\r61 %  61000/100000 *$" },
        { 14, "^\rto dige  61 % *$" },
        { 5, "^\r61 %$" },
        { 4, "^\r *$" },
    };
    line.label = "to digest";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_width(cases[i].width);
        began_before(100);
        assert_like(show(61000, 100000), cases[i].pattern);
    }
}

static void a_terminal_that_does_not_know_its_width_has_80_columns(void **state)
{
    (void)state;
    char label[200];
    memset(label, 'x', sizeof label - 1);
    label[sizeof label - 1] = 0;
    line.label = label;
    set_width(0);
    assert_int_equal(columns(show(0, 10)), 79);
}

static void a_stopped_terminal_holds_nobody_up(void **state)
{
    (void)state;
    assert_int_equal(tcflow(writer, TCOOFF), 0);
    for (size_t done = 0; done <= 10; done++)
        kith_progress_show(&line, done, 10);
    assert_int_equal(tcflow(writer, TCOON), 0);
    assert_string_equal(see(), "");
}

static void where_there_is_no_terminal_only_the_last_is_shown(void **state)
{
    (void)state;
    line.label = "digests";
    for (size_t done = 0; done < 100; done++)
        assert_string_equal(show(done, 100), "");
    began_before(4.5);
    assert_like(show(100, 100), "^digests  100 %  100/100  2[0-2](\\.[0-9])?/s  in 0:0[4-9]\n$");
}

static void a_pipe_that_nobody_reads_holds_nobody_up(void **state)
{
    (void)state;
    char full[4096] = { 0 };
    int flags = fcntl(writer, F_GETFL);
    assert_int_equal(fcntl(writer, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(writer, full, sizeof full) > 0)
        continue;
    assert_int_equal(fcntl(writer, F_SETFL, flags), 0);
    kith_progress_show(&line, 0, 10);
    kith_progress_show(&line, 10, 10);
}

static void what_has_no_tasks_ends_too(void **state)
{
    (void)state;
    line.label = "nothing";
    assert_string_equal(show(0, 0), "");
    assert_like(show(0, 0), "^nothing  0  in 0:00\n$");
}

static void a_line_may_serve_again(void **state)
{
    (void)state;
    assert_string_equal(show(0, 5), "");
    began_before(100);
    assert_like(show(5, 5), "^100 %  5/5  0\\.0(49|5)/s  in 1:4[0-9]\n$");
    assert_string_equal(show(0, 7), "");
    assert_like(show(7, 7), "^100 %  7/7  [0-9]+/s  in 0:0[0-9]\n$");
}

static int show_to_stderr(void)
{
    kith_progress_line to_stderr = { .label = "here" };
    EXPECT(dup2(writer, STDERR_FILENO) == STDERR_FILENO);
    kith_progress_show(&to_stderr, 3, 3);
    kith_progress_show(NULL, 3, 3);
    return 0;
}

static void stderr_is_where_it_is_shown_when_nothing_else_is_said(void **state)
{
    (void)state;
    assert_int_equal(apart(show_to_stderr), 0);
    assert_string_equal(see(), "here  100 %  3/3  in 0:00\n");
}

#define ON_TERMINAL(name) cmocka_unit_test_setup_teardown(name, set_up_terminal, tear_down)
#define ON_PIPE(name) cmocka_unit_test_setup_teardown(name, set_up_pipe, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TERMINAL(it_tells_label_share_count_rate_and_time_left),
        ON_TERMINAL(it_begins_with_what_is_known),
        ON_TERMINAL(no_time_at_all_gives_no_rate),
        ON_TERMINAL(a_total_that_is_not_known_is_left_out),
        ON_TERMINAL(slow_tasks_have_a_rate_too),
        ON_TERMINAL(it_is_not_done_before_all_is),
        ON_TERMINAL(hours_and_days_are_told_as_such),
        ON_TERMINAL(huge_numbers_fit),
        ON_TERMINAL(a_label_can_not_write_elsewhere),
        ON_TERMINAL(an_empty_label_is_none),
        ON_TERMINAL(a_shorter_line_leaves_nothing_of_the_one_before),
        ON_TERMINAL(it_is_never_wider_than_the_terminal),
        ON_TERMINAL(a_narrow_terminal_gets_what_matters_most),
        ON_TERMINAL(a_terminal_that_does_not_know_its_width_has_80_columns),
        ON_TERMINAL(a_stopped_terminal_holds_nobody_up),
        ON_PIPE(where_there_is_no_terminal_only_the_last_is_shown),
        ON_PIPE(a_pipe_that_nobody_reads_holds_nobody_up),
        ON_PIPE(what_has_no_tasks_ends_too),
        ON_PIPE(a_line_may_serve_again),
        ON_PIPE(stderr_is_where_it_is_shown_when_nothing_else_is_said),
    };
    return cmocka_run_group_tests_name("pool_progress", tests, NULL, NULL);
}
