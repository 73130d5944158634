#include "process/report.h"

#include "base/deadline.h"
#include "os/packet.h"
#include "os/poll.h"

#include <stdint.h>
#include <string.h>

/* How long a child may take to be set up before its start goes on without its report: it is stopped, or its directory
 * is on a disk that does not answer. */
#define PATIENCE KITH_SECONDS(10)

struct report {
    int32_t code;
    char detail[252];
};

int report_open(int ends[2])
{
    return os_packet_pair(ends);
}

void report_send(int end, int code)
{
    struct report report = { .code = code };
    if (code < 0)
        strncpy(report.detail, kith_error_detail(), sizeof report.detail - 1);
    os_packet_send(end, &report, sizeof report, NULL, 0); /* the start may have gone on */
}

static int read_report(int end)
{
    struct report report;
    int descriptors[OS_PACKET_DESCRIPTORS];
    size_t count;
    ptrdiff_t size;
    do {
        size = os_packet_receive(end, &report, sizeof report, descriptors, &count);
    } while (size == -EINTR);
    if (size != sizeof report || report.code == 0)
        return 0;
    return error_fail(report.code, "%.*s", (int)sizeof report.detail, report.detail);
}

int report_await(int end, int sentinel)
{
    struct os_poll_one both[] = { { .descriptor = end, .what = OS_POLL_READ },
                                  { .descriptor = sentinel, .what = OS_POLL_READ } };
    deadline until = os_clock_now() + PATIENCE;
    int code;
    do {
        code = os_poll_many(both, 2, until);
    } while (code == -EINTR);
    if (code < 0)
        return error_fail(code, "can't wait for a child to begin: %s", kith_strerror(code));
    /* A child that ended may have reported before. */
    return both[0].ready ? read_report(end) : 0;
}
