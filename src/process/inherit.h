/* What children inherit only when it is named for them. */
#ifndef KITH_SRC_PROCESS_INHERIT_H
#define KITH_SRC_PROCESS_INHERIT_H

#include <stdbool.h>
#include <stddef.h>

struct kith_connection;

/** A part of an object that lives as long as this process has it open. */
struct heirloom {
    void *owner;               /* the object; kith_process_options may name it when it is a kith_connection */
    void (*drop)(void *owner); /* closes it in a child that it is not for */
    struct heirloom *next;
    struct heirloom **link; /* what points to this one: a server may have many, and close the oldest first */
};

/** Writes an object down. Under forks_block, in one go with opening what is not to be inherited: else a fork in between
 *  would hand that to a child that knows nothing of it. */
void inherit_add(struct heirloom *heirloom);

/** Strikes it out. Under forks_block, in one go with closing. */
void inherit_remove(struct heirloom *heirloom);

/** Whether the object is written down. */
bool inherit_knows(const struct kith_connection *owner);

/** In a new child: drops all objects but those kept. */
void inherit_only(struct kith_connection *const *kept, size_t count);

#endif
