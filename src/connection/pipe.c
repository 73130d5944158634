/* kith_pipe: two connections whose sockets are each other's peers. */
#include "base/error.h"
#include "connection/connection.h"
#include "os/named.h"
#include "os/socket.h"
#include "process/forks.h"

#include <errno.h>

/* The lanes of a pipe; NULL where there is none. */
struct lanes {
    struct lane *to_first;
    struct lane *to_second;
};

static struct lane *make_lane(void)
{
    struct lane *made;
    return lane_new(&made) == 0 ? made : NULL;
}

/* Whether all the lanes are there that such a pipe has, and have left descriptors for others. */
static bool are_fit(const struct lanes *lanes, bool one_way)
{
    const struct lane *last = one_way ? lanes->to_first : lanes->to_second;
    return lanes->to_first && last && os_file_leaves_room(lane_fd(last));
}

/* Lanes only make a pipe quicker: where they can't be had, it goes by its sockets. */
static struct lanes make_lanes(bool one_way)
{
    struct lanes lanes = { .to_first = make_lane() };
    if (lanes.to_first && !one_way)
        lanes.to_second = make_lane();
    if (!are_fit(&lanes, one_way)) {
        lane_let_go(lanes.to_first);
        lane_let_go(lanes.to_second);
        lanes = (struct lanes){ 0 };
    }
    return lanes;
}

/* For an end more. */
static struct lane *hold(struct lane *lane)
{
    return lane ? lane_hold(lane) : NULL;
}

static int open_both(kith_connection *first, kith_connection *second, const struct lanes *lanes,
                     const kith_pipe_options *options)
{
    int ends[2];
    bool one_way = options->one_way;
    int code = os_socket_pair(ends);
    if (code < 0)
        return code;
    struct channel channels[2];
    for (int i = 0; i < 2; i++)
        channel_open(&channels[i], ends[i], &channel_bare, NULL);
    connection_open(first, &channels[0], !one_way, true);
    connection_open(second, &channels[1], true, !one_way);
    connection_use_lanes(first, hold(lanes->to_first), hold(lanes->to_second));
    connection_use_lanes(second, hold(lanes->to_second), hold(lanes->to_first));
    if (options->read_ahead) {
        connection_read_ahead(first, true);
        connection_read_ahead(second, true);
    }
    if (one_way)
        os_socket_end_sending(ends[0]);
    return 0;
}

static int make_ends(kith_connection *one, kith_connection *other, const kith_pipe_options *options)
{
    struct lanes lanes = { 0 };
    forks_block();
    if (options->shared_memory)
        lanes = make_lanes(options->one_way);
    int code = open_both(one, other, &lanes, options);
    lane_let_go(lanes.to_first); /* the ends hold them */
    lane_let_go(lanes.to_second);
    forks_allow();
    return code;
}

int kith_pipe(kith_connection **first, kith_connection **second, const kith_pipe_options *options)
{
    if (!first || !second)
        return error_fail(-EINVAL, "%s is NULL: give the address of a kith_connection pointer",
                          first ? "second" : "first");
    kith_connection *one = connection_new();
    kith_connection *other = connection_new();
    int code = one && other ? 0 : -ENOMEM;
    if (code == 0)
        code = make_ends(one, other, options ? options : &(kith_pipe_options){ 0 });
    if (code < 0) {
        kith_connection_free(one);
        kith_connection_free(other);
        return error_fail(code, "no pipe: %s", kith_strerror(code));
    }
    *first = one;
    *second = other;
    return 0;
}
