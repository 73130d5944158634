/* A connection, for those who make one. */
#ifndef KITH_SRC_CONNECTION_CONNECTION_H
#define KITH_SRC_CONNECTION_CONNECTION_H

#include <kith/connection.h>

#include "connection/frame.h"
#include "process/inherit.h"

#include <stdbool.h>

struct kith_connection {
    struct heirloom heirloom;
    int socket; /* -1: closed */
    bool sends;
    bool receives;
    bool cut;     /* a message was cut short: no more can be sent */
    bool dropped; /* closed because the parent did not name it for this child */

    /* The message that is coming in. Its memory grows as it comes: its header alone is not believed. */
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_have;
    size_t size; /* once the header is there */
    unsigned char *data;
    size_t capacity;
    size_t have;
};

/** Makes a handle without a socket. @return NULL when there is no memory */
kith_connection *connection_new(void);

/** Gives it a connected socket, which it will close. Under forks_block, which the socket was made under, too. */
void connection_open(kith_connection *connection, int socket, bool sends, bool receives);

#endif
