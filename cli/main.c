/* kith: what can be done with libkith from a shell. Each subcommand has a file of its own. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = { &command_serve, &command_echo, &command_send };
enum { COMMANDS = sizeof commands / sizeof *commands };

/* ---- what the subcommands say ---- */

/* One line, in one go: threads of kith echo warn at the same time. */
static void say(const struct command *command, const char *prefix, const char *format, va_list arguments)
{
    flockfile(stderr);
    fprintf(stderr, "kith %s: %s", command->name, prefix);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
}

void command_say(const struct command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(command, "", format, arguments);
    va_end(arguments);
}

void command_warn(const struct command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(command, "warning: ", format, arguments);
    va_end(arguments);
}

int command_fail(const struct command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(command, "", format, arguments);
    va_end(arguments);
    return STATUS_FAILED;
}

int command_fail_code(const struct command *command, int code)
{
    bool explained = code != -ETIMEDOUT && code != -EINTR && *kith_error_detail();
    return command_fail(command, "%s", explained ? kith_error_detail() : kith_strerror(code));
}

int command_misused(const struct command *command, const char *format, ...)
{
    if (format) {
        va_list arguments;
        va_start(arguments, format);
        say(command, "", format, arguments);
        va_end(arguments);
    }
    fprintf(stderr, "Try 'kith help %s'.\n", command->name);
    return STATUS_USAGE;
}

int command_help(const struct command *command)
{
    fputs(command->help, stdout);
    return command_flush(command, STATUS_GOOD);
}

int command_flush(const struct command *command, int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return command_fail(command, "not all could be written to stdout: %s", strerror(errno));
}

/* ---- kith itself ---- */

static const struct command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static void print_usage(FILE *stream)
{
    fputs("usage: kith COMMAND [ARGUMENT...]\n\n", stream);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stream, "  kith %-14s %s\n", commands[i]->name, commands[i]->summary);
    fputs("  kith help COMMAND   all about a command\n"
          "  kith --version      the version of the library\n",
          stream);
}

static int unknown(const char *name)
{
    fprintf(stderr, "kith: there is no command '%s'\n", name);
    print_usage(stderr);
    return STATUS_USAGE;
}

static int help(const char *name)
{
    if (!name) {
        print_usage(stdout);
        return STATUS_GOOD;
    }
    const struct command *command = find(name);
    return command ? command_help(command) : unknown(name);
}

/* When stdin, stdout or stderr is closed, the next descriptor that is opened, a connection maybe, would be taken for
 * it. So its place is filled, with what can't be read or written as that one is. */
static void fill_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

int main(int count, char **arguments)
{
    fill_standard();
    const char *name = count > 1 ? arguments[1] : NULL;
    if (!name) {
        print_usage(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(name, "help") == 0)
        return help(arguments[2]);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(NULL);
    if (strcmp(name, "--version") == 0) {
        printf("kith %s\n", kith_version());
        return STATUS_GOOD;
    }
    const struct command *command = find(name);
    return command ? command->run(count - 1, arguments + 1) : unknown(name);
}
