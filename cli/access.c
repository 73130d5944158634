#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* No key is longer: a file that is may be /dev/zero. */
#define AUTHKEY_MAX 65536

bool access_take(struct access *access, int option, const char *value)
{
    switch (option) {
    case ACCESS_AUTHKEY_FILE:
        access->authkey_file = value;
        return true;
    case ACCESS_TLS:
        access->from_authkey = true;
        return true;
    case ACCESS_CERTIFICATE:
        access->tls.certificate = value;
        return true;
    case ACCESS_KEY:
        access->tls.key = value;
        return true;
    case ACCESS_AUTHORITIES:
        access->tls.authorities = value;
        return true;
    case ACCESS_HOST:
        access->tls.host = value;
        return true;
    default:
        return false;
    }
}

static bool by_certificates(const struct access *access)
{
    return access->tls.certificate || access->tls.key || access->tls.authorities || access->tls.host;
}

/* A file that was named may be one of others, and is theirs to keep secret. One that the command has made in a place
 * that everybody can foresee may have been put there by somebody else. */
static int check_secrecy(const struct access *access, const struct command *command, FILE *file)
{
    struct stat about;
    const char *path = access->authkey_file;
    if (fstat(fileno(file), &about) < 0)
        return command_fail(command, "the authkey's file %s: %s", path, strerror(errno));
    bool readable = S_ISREG(about.st_mode) && (about.st_mode & (S_IRGRP | S_IROTH));
    if (access->made_here && (!S_ISREG(about.st_mode) || about.st_uid != geteuid() || (about.st_mode & 077)))
        return command_fail(command,
                            "%s is not this user's alone, so its authkey is not used: chmod 600 %s, if nobody "
                            "else has put it there or read it; or remove it",
                            path, path);
    if (readable)
        command_warn(command, "others can read %s, and so the authkey: chmod 600 %s", path, path);
    return STATUS_GOOD;
}

/* What an editor, or a shell, leaves at the end of a line is no part of a key. */
static size_t without_newline(const char *key, size_t size)
{
    if (size > 0 && key[size - 1] == '\n')
        size -= size > 1 && key[size - 2] == '\r' ? 2 : 1;
    return size;
}

/* @param buffer  AUTHKEY_MAX + 3 bytes: two for a newline, one to see whether there is more */
static int take_key(struct access *access, const struct command *command, char *buffer, size_t size)
{
    const char *path = access->authkey_file;
    size = without_newline(buffer, size);
    if (size == 0 || size > AUTHKEY_MAX)
        return command_fail(command, "%s holds no authkey: it has %s", path,
                            size == 0 ? "nothing in it" : "more than 65536 bytes");
    access->authkey = buffer;
    access->authkey_size = size;
    return STATUS_GOOD;
}

static int read_key(struct access *access, const struct command *command)
{
    int opened = open(access->authkey_file, O_RDONLY | O_CLOEXEC | (access->made_here ? O_NOFOLLOW | O_NONBLOCK : 0));
    FILE *file = opened < 0 ? NULL : fdopen(opened, "r");
    if (!file)
        return command_fail(command, "the authkey's file %s: %s", access->authkey_file, strerror(errno));
    int status;
    char *buffer = malloc(AUTHKEY_MAX + 3);
    size_t size = 0;
    setvbuf(file, NULL, _IONBF, 0); /* no copy of the key in a buffer of the C library's */
    if (buffer)
        size = fread(buffer, 1, AUTHKEY_MAX + 3, file);
    if (!buffer || ferror(file)) {
        status =
            command_fail(command, "the authkey's file %s: %s", access->authkey_file, strerror(buffer ? errno : ENOMEM));
    } else {
        status = check_secrecy(access, command, file);
        if (status == STATUS_GOOD)
            status = take_key(access, command, buffer, size);
    }
    if (status != STATUS_GOOD && buffer) {
        explicit_bzero(buffer, size);
        free(buffer);
    }
    fclose(file);
    return status;
}

int access_check(const struct access *access, const struct command *command)
{
    if (access->from_authkey && by_certificates(access))
        return command_misused(command, "--tls is TLS without certificates: leave out --tls-...");
    return STATUS_GOOD;
}

int access_finish(struct access *access, const struct command *command)
{
    int status = access_check(access, command);
    if (status != STATUS_GOOD)
        return status;
    if (access->from_authkey && !access->authkey_file)
        return command_misused(command, "--tls makes its key of the authkey: give it with --authkey-file");
    access->tls.from_authkey = access->from_authkey;
    return access->authkey_file ? read_key(access, command) : STATUS_GOOD;
}

const kith_tls_options *access_tls(const struct access *access)
{
    return access->from_authkey || by_certificates(access) ? &access->tls : NULL;
}

void access_end(struct access *access)
{
    if (access->authkey)
        explicit_bzero(access->authkey, access->authkey_size);
    free(access->authkey);
    access->authkey = NULL;
}
