/* The authkey of a server that was given none: a file that is made once, and found again when the server is started
 * anew, so that its clients' key stays good. */
#ifndef KITH_CLI_KEYFILE_H
#define KITH_CLI_KEYFILE_H

#include "command.h"

/** Finds out where it belongs, and makes it when it is not there: 64 random hexadecimal digits, and no newline, that
 *  only its owner can read. Beside the socket of unix:PATH it is PATH.key; for other addresses, kith/ADDRESS.key in
 *  $XDG_RUNTIME_DIR.
 *  @param path  receives where it is; free it with free
 *  @return STATUS_GOOD; STATUS_FAILED, with its message said */
int keyfile_find(const struct command *command, const char *address, char **path);

#endif
