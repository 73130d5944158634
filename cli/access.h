/* The options that say who may talk to whom, the same for all subcommands that do: the authkey, and TLS. */
#ifndef KITH_CLI_ACCESS_H
#define KITH_CLI_ACCESS_H

#include "command.h"

#include <getopt.h>
#include <stdbool.h>

struct access {
    const char *authkey_file;
    bool made_here; /* the command itself has made that file: nobody else may have, nor can read it */
    void *authkey;  /* NULL: none */
    size_t authkey_size;
    bool from_authkey; /* --tls */
    kith_tls_options tls;
};

/** What getopt_long finds. A subcommand's own follow behind ACCESS_LAST. */
enum {
    ACCESS_AUTHKEY_FILE = 256,
    ACCESS_TLS,
    ACCESS_CERTIFICATE,
    ACCESS_KEY,
    ACCESS_AUTHORITIES,
    ACCESS_HOST,
    ACCESS_LAST = ACCESS_HOST
};

/* clang-format off */
/** For the table of getopt_long. */
#define ACCESS_OPTIONS                                                     \
    { "authkey-file", required_argument, NULL, ACCESS_AUTHKEY_FILE },      \
    { "tls", no_argument, NULL, ACCESS_TLS },                              \
    { "tls-certificate", required_argument, NULL, ACCESS_CERTIFICATE },    \
    { "tls-key", required_argument, NULL, ACCESS_KEY },                    \
    { "tls-authorities", required_argument, NULL, ACCESS_AUTHORITIES }
/* clang-format on */

/** Takes an option that getopt_long has found. @return false when it is none of these */
bool access_take(struct access *access, int option, const char *value);

/** When all options were taken: whether they make sense together.
 *  @return STATUS_GOOD; STATUS_USAGE, with its message said */
int access_check(const struct access *access, const struct command *command);

/** The same, and reads the authkey.
 *  @return STATUS_GOOD; STATUS_FAILED or STATUS_USAGE, with its message said */
int access_finish(struct access *access, const struct command *command);

/** For the options of kith_listener_new and kith_connect. @return NULL for no TLS */
const kith_tls_options *access_tls(const struct access *access);

/** Wipes and frees the authkey. */
void access_end(struct access *access);

#endif
