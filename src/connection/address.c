#include "connection/address.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static int parse_unix(struct address *address, const char *text)
{
    address->is_abstract = *text == '@';
    const char *name = text + address->is_abstract;
    size_t length = strlen(name);
    if (length == 0)
        return error_fail(-EINVAL, "\"unix:%s\" has no name: write unix:/run/jobs, or unix:@jobs", text);
    if (length > OS_ADDRESS_NAME_MAX)
        return error_fail(-EINVAL, "the name of a Unix socket may have %d bytes, and \"%.40s...\" has %zu",
                          OS_ADDRESS_NAME_MAX, name, length);
    if (!address->is_abstract && name[length - 1] == '/')
        return error_fail(-EINVAL, "\"%s\" is a folder: name a file in it", name);
    memcpy(address->name, name, length + 1);
    return 0;
}

static int parse_port(struct address *address, const char *port, bool listens)
{
    size_t digits = strspn(port, "0123456789");
    unsigned number = 0;
    for (size_t i = 0; i < digits && number <= 65535; i++)
        number = number * 10 + (unsigned)(port[i] - '0');
    if (digits == 0 || port[digits] || number > 65535)
        return error_fail(-EINVAL, "\"%.40s\" is no port: write a number up to 65535", port);
    if (number == 0 && !listens)
        return error_fail(-EINVAL, "port 0 means a free one, to listen at: ask the listener for the one it has");
    snprintf(address->port, sizeof address->port, "%u", number);
    return 0;
}

static int parse_tcp(struct address *address, const char *text, bool listens)
{
    bool bracketed = *text == '[';
    const char *host = text + bracketed;
    size_t length = strcspn(host, bracketed ? "]" : ":");
    const char *rest = host + length + (bracketed && host[length]);
    if (*rest != ':')
        return error_fail(-EINVAL, "\"tcp:%.80s\" has no port: write tcp:HOST:PORT, tcp:[::1]:PORT for IPv6", text);
    if (strchr(rest + 1, ':'))
        return error_fail(-EINVAL, "\"tcp:%.80s\" has too many colons: write an IPv6 address in brackets, tcp:[::1]:80",
                          text);
    if (length > ADDRESS_HOST_MAX)
        return error_fail(-EINVAL, "\"%.40s...\" is no host: a name has up to %d bytes", host, ADDRESS_HOST_MAX);
    if (length == 0 && (bracketed || !listens))
        return error_fail(-EINVAL, "\"tcp:%.80s\" has no host: only a listener may leave it out", text);
    memcpy(address->host, host, length);
    return parse_port(address, rest + 1, listens);
}

static int parse_named(struct address *address, const char *text, bool listens)
{
    *address = (struct address){ .given = -1, .is_tcp = begins_with(text, "tcp:") };
    int code;
    if (address->is_tcp)
        code = parse_tcp(address, text + strlen("tcp:"), listens);
    else if (begins_with(text, "unix:"))
        code = parse_unix(address, text + strlen("unix:"));
    else
        code = error_fail(-EINVAL, "\"%.80s\" is no address: it begins neither with unix: nor with tcp:", text);
    if (code == 0)
        snprintf(address->text, sizeof address->text, "%s", text);
    return code;
}

/* A socket that listens already: all else is what it says. */
static int parse_given(struct address *address, const char *text)
{
    struct os_address own;
    char found[OS_ADDRESS_TEXT_MAX] = "";
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits])
        return error_fail(-EINVAL, "\"fd:%.40s\" has no number: write fd:3 for a socket that listens already", text);
    int given = (int)strtol(text, NULL, 10);
    int code = os_address_own(given, &own);
    if (code == -EBADF)
        return error_fail(code, "descriptor %d is not open: who starts this program hands it over", given);
    if (code == 0)
        os_address_text(&own, found);
    if (!*found)
        return error_fail(-EINVAL, "descriptor %d is no socket that listens at an address of ours", given);
    code = parse_named(address, found, true);
    address->given = given;
    return code;
}

int address_parse(struct address *address, const char *text, bool listens)
{
    if (!text)
        return error_fail(-EINVAL, "address is NULL: give one as unix:/run/jobs, unix:@jobs, tcp:localhost:5000");
    if (!begins_with(text, "fd:"))
        return parse_named(address, text, listens);
    if (!listens)
        return error_fail(-EINVAL, "\"%.40s\" is a listener's: connect to the address that it tells", text);
    return parse_given(address, text + strlen("fd:"));
}

void address_make_absolute(struct address *address)
{
    char path[sizeof address->name];
    const char *name = address->name;
    if (address->is_tcp || address->is_abstract || *name == '/' || !getcwd(path, sizeof path) || *path != '/')
        return;
    while (begins_with(name, "./"))
        name += 1 + strspn(name + 1, "/");
    size_t length = strcmp(path, "/") == 0 ? 0 : strlen(path);
    int size = snprintf(path + length, sizeof path - length, "/%s", name);
    if (size < 0 || (size_t)size >= sizeof path - length)
        return;
    memcpy(address->name, path, sizeof path);
    snprintf(address->text, sizeof address->text, "unix:%s", path);
}

int address_find(const struct address *address, struct os_address found[ADDRESS_TRIED_MAX])
{
    if (!address->is_tcp) {
        int code = address->is_abstract ? os_address_of_name(&found[0], address->name)
                                        : os_address_of_path(&found[0], address->name);
        return code < 0 ? code : 1;
    }
    int count = os_address_find(address->host, address->port, found, ADDRESS_TRIED_MAX);
    if (count == -EHOSTUNREACH)
        return error_fail(count, "no host \"%.100s\" is known, or whoever knows hosts did not answer", address->host);
    if (count < 0)
        return error_fail(count, "the address of \"%.100s\" was not found: %s", address->host, kith_strerror(count));
    return count;
}

void address_warn_of_others(const struct os_address *at, const char *who)
{
    char text[OS_ADDRESS_TEXT_MAX];
    if (os_address_is_loopback(at))
        return;
    os_address_text(at, text);
    kith_log(KITH_LOG_WARNING, "%s %s: what goes beyond this machine can be read and changed on its way; use TLS", who,
             text);
}
