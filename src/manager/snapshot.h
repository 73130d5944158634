/* Snapshots: what is published, and all that it leads to, in a file (docs/design/manager.md).
 *
 * They are taken on the thread of the server's loop, between two calls, and written by another one. The file is a
 * pickle of plain values:
 *
 *     ('kith snapshot', 1, address, {name: id, ...}, [(id, type, state), ...])
 *
 * where state is what the type's kind has saved, and cells in it are bytes, which are pickles. What begins anew has
 * none. */
#ifndef KITH_SRC_MANAGER_SNAPSHOT_H
#define KITH_SRC_MANAGER_SNAPSHOT_H

#include "manager/object.h"

#define SNAPSHOT_MAGIC "kith snapshot"
enum { SNAPSHOT_VERSION = 1 };

/** Locks the file for this server, and reads it, if there is one that was not read yet, when all is published.
 *  @return as kith_server_load */
int snapshot_load(struct server *server);

/** Lets another server have the file. Under forks_block. */
void snapshot_unlock(struct server *server);

/** Takes the first one, and writes it, and goes on to do so on the interval. That it can't be written is told to the
 *  log only. @return 0; -ENOMEM */
int snapshot_begin(struct server *server);

/** Notes that something has changed since the last one. */
void snapshot_changed(struct server *server);

/** Has an object be part of the snapshot that is being taken. For kinds that keep objects without cells.
 *  @return 0; -ENOMEM */
int snapshot_add(struct server *server, struct object *object);

/** Takes the last one, and writes it, when the loop has ended. @return 0; why it, or the one before, was not written */
int snapshot_end(struct server *server);

#endif
