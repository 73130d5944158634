#include "process/report.h"

#include "base/deadline.h"
#include "os/poll.h"
#include "os/stream.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* In one write, which a pipe takes whole. */
struct report {
    int32_t code;
    char detail[252];
};

int report_open(int ends[2])
{
    return os_stream_pipe(ends);
}

void report_send(int end, int code)
{
    struct report report = { .code = code };
    if (code < 0)
        strncpy(report.detail, kith_error_detail(), sizeof report.detail - 1);
    while (write(end, &report, sizeof report) < 0 && errno == EINTR)
        continue;
}

static int read_report(int end)
{
    struct report report;
    ssize_t size;
    do {
        size = read(end, &report, sizeof report);
    } while (size < 0 && errno == EINTR);
    if (size != sizeof report || report.code == 0)
        return 0;
    return error_fail(report.code, "%.*s", (int)sizeof report.detail, report.detail);
}

int report_await(int end, int sentinel)
{
    struct os_poll_one both[] = { { .descriptor = end, .what = OS_POLL_READ },
                                  { .descriptor = sentinel, .what = OS_POLL_READ } };
    int code;
    do {
        code = os_poll_many(both, 2, OS_FOREVER);
    } while (code == -EINTR);
    if (code < 0)
        return error_fail(code, "can't wait for a child to begin: %s", kith_strerror(code));
    /* A child that ended may have reported before. */
    return both[0].ready ? read_report(end) : 0;
}
