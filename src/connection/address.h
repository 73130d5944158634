/* Addresses as kith writes them: "unix:/path", "unix:@name", "tcp:host:port"; and "fd:3", a socket that listens. */
#ifndef KITH_SRC_CONNECTION_ADDRESS_H
#define KITH_SRC_CONNECTION_ADDRESS_H

#include "os/address.h"

#include <stdbool.h>

/** The longest host, in bytes: that of a name in the DNS, and an interface behind an address. */
#define ADDRESS_HOST_MAX 255

/** How many addresses of a host are tried. */
#define ADDRESS_TRIED_MAX 16

struct address {
    int given; /* a socket that listens there already, the caller's; -1: none */
    bool is_tcp;
    bool is_abstract;                     /* of a Unix socket */
    char name[OS_ADDRESS_NAME_MAX + 1];   /* of a Unix socket: the path, or the name without its @ */
    char host[ADDRESS_HOST_MAX + 1];      /* of TCP, without brackets; "" only to listen */
    char port[sizeof "65535"];            /* in digits; "0" only to listen */
    char text[ADDRESS_HOST_MAX + 1 + 16]; /* all of it */
};

/** Takes an address apart.
 *  @param listens  whether it is to listen at
 *  @return 0, or -EINVAL with its detail; of "fd:3" also -EBADF, and then the rest is what that socket says */
int address_parse(struct address *address, const char *text, bool listens);

/** Makes the path of a Unix socket absolute: then it is the same one in any working directory, and for processes in
 *  others. Left as it is when it would be longer than such a path may be, or nobody knows the working directory. */
void address_make_absolute(struct address *address);

/** Finds the system's addresses for it, and waits for the resolver when it has a name.
 *  @return how many, 1 to ADDRESS_TRIED_MAX; -EHOSTUNREACH or another negated errno, with its detail */
int address_find(const struct address *address, struct os_address found[ADDRESS_TRIED_MAX]);

/** Puts a warning into the log when what is said without TLS goes beyond this machine.
 *  @param who  says so: "listener", "connection to"
 *  @param at   where */
void address_warn_of_others(const struct os_address *at, const char *who);

#endif
