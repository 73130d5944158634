/* kith/base.h: codes and sentences, details, bytes, logging. */
#include "cmocka_kith.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void version_is_the_header(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", KITH_VERSION_MAJOR, KITH_VERSION_MINOR, KITH_VERSION_PATCH);
    assert_string_equal(kith_version(), text);
    assert_string_equal(kith_version(), KITH_VERSION);
}

static void every_code_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *name;
    } codes[] = {
        { KITH_EEMPTY, "KITH_EEMPTY" },
        { KITH_EFULL, "KITH_EFULL" },
        { KITH_ECLOSED, "KITH_ECLOSED" },
        { KITH_EOWNERDEAD, "KITH_EOWNERDEAD" },
        { KITH_EEOF, "KITH_EEOF" },
        { KITH_ETRUNCATED, "KITH_ETRUNCATED" },
        { -EINVAL, "EINVAL" },
        { -ENOMEM, "ENOMEM" },
        { -ETIMEDOUT, "ETIMEDOUT" },
        { -EMSGSIZE, "EMSGSIZE" },
        { -EROFS, "EROFS" },
        { -EILSEQ, "EILSEQ" },
        { -ENOMSG, "ENOMSG" },
        { -ETOOMANYREFS, "ETOOMANYREFS" },
        { -ECANCELED, "ECANCELED" },
        { -EALREADY, "EALREADY" },
        { -ENOTRECOVERABLE, "ENOTRECOVERABLE" },
        { 0, "OK" },
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_string_equal(kith_error_name(codes[i].code), codes[i].name);
        assert_string_not_equal(kith_strerror(codes[i].code), "an unknown code");
    }
}

static void unknown_codes_are_answered_too(void **state)
{
    (void)state;
    assert_string_equal(kith_strerror(12345), "an unknown code");
    assert_string_equal(kith_strerror(-99999), "an unknown code");
    assert_string_equal(kith_strerror(-4095), "an unknown code"); /* errno has room for it, and no meaning */
    assert_string_equal(kith_error_name(-4095), "UNKNOWN");
    assert_string_equal(kith_error_name(-99999), "UNKNOWN");
}

static void errno_codes_that_the_library_never_gives_have_names(void **state)
{
    (void)state;
    assert_string_equal(kith_error_name(-EISDIR), "EISDIR");
    assert_string_equal(kith_strerror(-EISDIR), "Is a directory");
}

static void *fail_in_a_thread(void *argument)
{
    assert_string_equal(kith_error_detail(), "");
    assert_code(kith_lock_release(NULL), -EINVAL);
    assert_non_null(strstr(kith_error_detail(), "lock is NULL"));
    return argument;
}

static void detail_belongs_to_the_thread(void **state)
{
    (void)state;
    assert_code(kith_queue_close(NULL), -EINVAL);
    assert_string_equal(kith_error_detail(), "queue is NULL");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fail_in_a_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(kith_error_detail(), "queue is NULL");
}

static void a_program_may_leave_a_detail_too(void **state)
{
    (void)state;
    errno = EISDIR;
    assert_code(kith_fail(-EPERM, "line %d of %s", 7, "a file"), -EPERM);
    assert_string_equal(kith_error_detail(), "line 7 of a file");
    assert_int_equal(errno, EISDIR);

    char long_text[1000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_code(kith_fail(3, "%s", long_text), 3);
    assert_int_equal(strspn(kith_error_detail(), "x"), 255);
    assert_int_equal(strlen(kith_error_detail()), 255);
}

static void bytes_are_freed_and_cleared(void **state)
{
    (void)state;
    kith_bytes bytes = { malloc(3), 3 };
    assert_non_null(bytes.data);
    kith_bytes_free(&bytes);
    assert_null(bytes.data);
    assert_int_equal(bytes.size, 0);
    kith_bytes_free(&bytes);
    kith_bytes_free(NULL);
}

/** Has stderr written to a file while a function runs. @return what it wrote, for the caller to free */
static char *stderr_of(void (*function)(void))
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    dup2(fileno(file), STDERR_FILENO);
    function();
    dup2(saved, STDERR_FILENO);
    close(saved);
    long length = lseek(fileno(file), 0, SEEK_END);
    char *text = calloc(1, (size_t)length + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(file), text, (size_t)length, 0), length);
    fclose(file);
    return text;
}

static void log_all_levels(void)
{
    kith_log(KITH_LOG_ERROR, "error %d", 1);
    kith_log(KITH_LOG_WARNING, "warning %d", 2);
    kith_log(KITH_LOG_INFO, "info %d", 3);
    kith_log(KITH_LOG_DEBUG, "debug %d", 4);
    kith_log(KITH_LOG_NONE, "never");
}

static void log_is_silent_by_default(void **state)
{
    (void)state;
    char *text = stderr_of(log_all_levels);
    assert_string_equal(text, "");
    free(text);
}

static void log_tells_up_to_its_level(void **state)
{
    (void)state;
    assert_code(kith_log_to_stderr(KITH_LOG_WARNING), 0);
    char *text = stderr_of(log_all_levels);
    assert_string_equal(text, "[ERROR/MainProcess] error 1\n[WARNING/MainProcess] warning 2\n");
    free(text);
    assert_code(kith_log_to_stderr(KITH_LOG_NONE), 0);
}

static void log_long_line(void)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    kith_log(KITH_LOG_ERROR, "%s", text);
}

static void log_cuts_long_lines(void **state)
{
    (void)state;
    assert_code(kith_log_to_stderr(KITH_LOG_ERROR), 0);
    char *text = stderr_of(log_long_line);
    assert_true(strlen(text) <= 1001);
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_null(memchr(text, '\n', strlen(text) - 1));
    free(text);
    assert_code(kith_log_to_stderr(KITH_LOG_NONE), 0);
}

static void log_refuses_unknown_levels(void **state)
{
    (void)state;
    assert_explained(kith_log_to_stderr((kith_log_level)9), -EINVAL);
    assert_explained(kith_log_to_stderr((kith_log_level)-1), -EINVAL);
}

static void timeouts_are_nanoseconds(void **state)
{
    (void)state;
    assert_int_equal(KITH_SECONDS(1.5), 1500000000);
    assert_int_equal(KITH_MS(20), 20000000);
    assert_int_equal(KITH_NOWAIT, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_the_header),
        cmocka_unit_test(every_code_has_a_name_and_a_sentence),
        cmocka_unit_test(unknown_codes_are_answered_too),
        cmocka_unit_test(errno_codes_that_the_library_never_gives_have_names),
        cmocka_unit_test(detail_belongs_to_the_thread),
        cmocka_unit_test(a_program_may_leave_a_detail_too),
        cmocka_unit_test(bytes_are_freed_and_cleared),
        cmocka_unit_test(log_is_silent_by_default),
        cmocka_unit_test(log_tells_up_to_its_level),
        cmocka_unit_test(log_cuts_long_lines),
        cmocka_unit_test(log_refuses_unknown_levels),
        cmocka_unit_test(timeouts_are_nanoseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
