#include "connection/channel.h"

#include "os/socket.h"

#include <unistd.h>

static ptrdiff_t bare_send(struct channel *channel, const void *head, size_t head_size, const void *body,
                           size_t body_size)
{
    return os_socket_send(channel->socket, head, head_size, body, body_size);
}

static ptrdiff_t bare_receive(struct channel *channel, void *buffer, size_t size)
{
    return os_socket_receive(channel->socket, buffer, size);
}

const struct carrier channel_bare = { .send = bare_send, .receive = bare_receive };

void channel_open(struct channel *channel, int socket, const struct carrier *carrier, void *state)
{
    *channel = (struct channel){
        .socket = socket,
        .carrier = carrier,
        .state = state,
        .send_wants = OS_POLL_WRITE,
        .receive_wants = OS_POLL_READ,
    };
}

void channel_close(struct channel *channel, bool goodbye)
{
    if (channel->carrier && channel->carrier->end)
        channel->carrier->end(channel, goodbye);
    close(channel->socket);
    channel->socket = -1;
}
