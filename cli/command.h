/* What the subcommands have in common. */
#ifndef KITH_CLI_COMMAND_H
#define KITH_CLI_COMMAND_H

#include <kith/kith.h>

/** How kith ends. */
enum status {
    STATUS_GOOD = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2 /**< what was asked for makes no sense */
};

/** A subcommand. */
struct command {
    const char *name;
    const char *summary; /* half a line */
    const char *help;    /* the text of --help */
    int (*run)(int count, char **arguments);
};

extern const struct command command_echo;
extern const struct command command_send;
extern const struct command command_serve;

/** Says on stderr what its user is to know. */
void command_say(const struct command *command, const char *format, ...) KITH_PRINTF(2, 3);

/** Says on stderr what is not right. */
void command_warn(const struct command *command, const char *format, ...) KITH_PRINTF(2, 3);

/** Says on stderr, after the subcommand's name, why it fails. @return STATUS_FAILED */
int command_fail(const struct command *command, const char *format, ...) KITH_PRINTF(2, 3);

/** The same for a call of kith's: its detail, or what the code means where it leaves none. @return STATUS_FAILED */
int command_fail_code(const struct command *command, int code);

/** Says what is wrong with the arguments, and where to read more; after a message of getopt_long with NULL.
 *  @return STATUS_USAGE */
int command_misused(const struct command *command, const char *format, ...) KITH_PRINTF(2, 3);

/** Prints the help. @return STATUS_GOOD */
int command_help(const struct command *command);

/** Ends what was written to stdout. @return status; STATUS_FAILED, and says so, when not all could be written */
int command_flush(const struct command *command, int status);

#endif
