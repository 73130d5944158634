#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_BYTES = 32 };

/* ---- where ---- */

/* The folder of what lives as long as its user is logged in. @return STATUS_GOOD; STATUS_FAILED */
static int find_folder(const struct command *command, char **folder)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (!runtime || *runtime != '/')
        return command_fail(command, "there is no place for an authkey, as XDG_RUNTIME_DIR is not set: make one, as by "
                                     "'openssl rand -hex 32', and give it with --authkey-file");
    if (asprintf(folder, "%s/kith", runtime) < 0)
        return command_fail(command, "%s", strerror(ENOMEM));
    if (mkdir(*folder, 0700) == 0 || errno == EEXIST)
        return STATUS_GOOD;
    int status = command_fail(command, "the folder %s, for an authkey: %s", *folder, strerror(errno));
    free(*folder);
    return status;
}

static int find_place(const struct command *command, const char *address, char **path)
{
    char *folder;
    if (strcmp(address, "unix:") == 0 || strcmp(address, "unix:@") == 0)
        return command_fail(command, "\"%s\" has no name: write unix:/run/jobs, or unix:@jobs", address);
    if (strncmp(address, "unix:", 5) == 0 && address[5] != '@') {
        int made = asprintf(path, "%s.key", address + 5);
        return made < 0 ? command_fail(command, "%s", strerror(ENOMEM)) : STATUS_GOOD;
    }
    if (strncmp(address, "fd:", 3) == 0)
        return command_fail(command,
                            "a server at a socket that was handed over has no place for an authkey of its own: "
                            "give one with --authkey-file");
    if (strncmp(address, "unix:", 5) != 0 && strncmp(address, "tcp:", 4) != 0)
        return command_fail(command, "\"%s\" is no address: it begins neither with unix: nor with tcp:", address);
    int status = find_folder(command, &folder);
    if (status != STATUS_GOOD)
        return status;
    int made = asprintf(path, "%s/%s.key", folder, address);
    for (char *c = made < 0 ? NULL : *path + strlen(folder) + 1; c && *c; c++) {
        if (*c == '/')
            *c = '-';
    }
    free(folder);
    return made < 0 ? command_fail(command, "%s", strerror(ENOMEM)) : STATUS_GOOD;
}

/* ---- what ---- */

/* @return whether all was written */
static bool write_key(int file)
{
    unsigned char key[KEY_BYTES];
    char digits[2 * KEY_BYTES + 1];
    if (getrandom(key, sizeof key, 0) != sizeof key)
        return false;
    for (int i = 0; i < KEY_BYTES; i++)
        snprintf(digits + 2 * i, 3, "%02x", key[i]);
    bool good = write(file, digits, 2 * KEY_BYTES) == 2 * KEY_BYTES; /* no newline: a program may read all of it */
    explicit_bzero(key, sizeof key);
    explicit_bzero(digits, sizeof digits);
    return good;
}

/* It gets its name when it is whole: so nobody reads half a key, and a file that is there is not touched. */
static int make(const struct command *command, const char *path)
{
    char *draft;
    if (asprintf(&draft, "%s.XXXXXX", path) < 0)
        return command_fail(command, "%s", strerror(ENOMEM));
    int file = mkostemp(draft, O_CLOEXEC); /* 0600, and there was none of that name */
    int status = STATUS_GOOD;
    if (file < 0 || !write_key(file) || (link(draft, path) < 0 && errno != EEXIST))
        status = command_fail(command, "no authkey can be made at %s: %s", path, strerror(errno));
    if (file >= 0) {
        unlink(draft);
        close(file);
    }
    free(draft);
    return status;
}

int keyfile_find(const struct command *command, const char *address, char **path)
{
    char *found = NULL;
    int status = find_place(command, address, &found);
    if (status == STATUS_GOOD && access(found, F_OK) < 0)
        status = make(command, found);
    if (status == STATUS_GOOD)
        *path = found;
    else
        free(found);
    return status;
}
