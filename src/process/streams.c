#include "process/streams.h"

#include "os/stream.h"

#include <unistd.h>

static int open_pipe(struct streams *streams, int which)
{
    int ends[2];
    int code = os_stream_pipe(ends);
    if (code < 0)
        return code;
    int childs = which == STDIN_FILENO ? 0 : 1;
    streams->child[which] = ends[childs];
    streams->parent[which] = ends[!childs];
    streams->ours[which] = true;
    return 0;
}

static int open_null(struct streams *streams, int which)
{
    int code = os_stream_null();
    if (code < 0)
        return code;
    streams->child[which] = code;
    streams->ours[which] = true;
    return 0;
}

static int open_one(struct streams *streams, int which, const kith_stdio *stdio)
{
    switch (stdio->kind) {
    case KITH_STDIO_PIPE:
        return open_pipe(streams, which);
    case KITH_STDIO_NULL:
        return open_null(streams, which);
    case KITH_STDIO_FD:
        streams->child[which] = stdio->fd;
        return 0;
    case KITH_STDIO_STDOUT:
        streams->child[which] = STREAM_AS_STDOUT;
        return 0;
    case KITH_STDIO_INHERIT:
        break;
    }
    return 0;
}

int streams_open(struct streams *streams, const kith_stdio *stdio)
{
    struct streams opened = STREAMS_NONE;
    int code = 0;
    for (int i = 0; stdio && code == 0 && i < STREAMS; i++)
        code = open_one(&opened, i, &stdio[i]);
    if (code < 0)
        streams_close(&opened);
    else
        *streams = opened;
    return code;
}

void streams_close_childs(struct streams *streams)
{
    for (int i = 0; i < STREAMS; i++) {
        if (streams->ours[i])
            close(streams->child[i]);
        streams->ours[i] = false;
    }
}

void streams_hand_out(struct streams *streams, kith_stdio *stdio)
{
    for (int i = 0; i < STREAMS; i++) {
        if (streams->parent[i] >= 0)
            stdio[i].fd = streams->parent[i];
        streams->parent[i] = -1;
    }
}

void streams_close(struct streams *streams)
{
    streams_close_childs(streams);
    for (int i = 0; i < STREAMS; i++) {
        if (streams->parent[i] >= 0)
            close(streams->parent[i]);
        streams->parent[i] = -1;
    }
}
