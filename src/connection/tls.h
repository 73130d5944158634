/* TLS 1.3 on a channel, by OpenSSL. */
#ifndef KITH_SRC_CONNECTION_TLS_H
#define KITH_SRC_CONNECTION_TLS_H

#include <kith/connection.h>

#include "connection/channel.h"

#include <stdbool.h>

/** What all connections of one listener, or one client, have in common: certificates, or the key derived from the
 *  authkey. */
struct tls_setup;

/** Makes it.
 *  @param authkey  for from_authkey; may be NULL otherwise. Not needed afterwards
 *  @return 0; -EINVAL when the options contradict each other, or the authkey is too short; KITH_ETLS when a file can't
 *          be used, with its name in the detail; -ENOMEM */
int tls_setup_new(struct tls_setup **setup, const kith_tls_options *options, bool server, const void *authkey,
                  size_t authkey_size);

/** NULL is fine. Channels that were opened with it live on. */
void tls_setup_free(struct tls_setup *setup);

/** Puts TLS on a connected socket. carrier->begin then shakes hands.
 *  @param host  for a client with certificates: the name that the server's must have, or its address in digits, unless
 *               the options name one; else NULL
 *  @return 0, and then the socket is the channel's; -EINVAL when a client with certificates has no host, -ENOMEM, and
 *          then it stays the caller's */
int tls_open(struct channel *channel, int socket, struct tls_setup *setup, const char *host);

#endif
