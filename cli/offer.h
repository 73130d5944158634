/* An object that kith serve publishes, as it is written on the command line:
 *
 *     NAME=TYPE[(ARGUMENT, ..., KEYWORD=ARGUMENT, ...)][,read-only][,methods=METHOD:METHOD...]
 *
 * An ARGUMENT is JSON, or @FILE for what a file of JSON holds. */
#ifndef KITH_CLI_OFFER_H
#define KITH_CLI_OFFER_H

#include "command.h"

struct offer {
    char *text; /* what all strings here are parts of */
    const char *name, *type;
    kith_value *args, *kwargs; /* the arena's */
    kith_access access;
};

/** Takes it apart.
 *  @param arena  owns the arguments
 *  @return STATUS_GOOD; STATUS_FAILED or STATUS_USAGE, with its message said, and then there is nothing to end */
int offer_read(struct offer *offer, kith_arena *arena, const struct command *command, const char *text);

void offer_end(struct offer *offer);

#endif
