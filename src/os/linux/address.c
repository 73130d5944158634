/* unix(7), ip(7), ipv6(7), getaddrinfo(3). */
#include "os/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

_Static_assert(sizeof(struct sockaddr_storage) == sizeof((struct os_address *)NULL)->bytes, "any address fits");
_Static_assert(sizeof((struct sockaddr_un *)NULL)->sun_path == OS_ADDRESS_NAME_MAX + 1, "a path and its 0 fit");

static const struct sockaddr *any(const struct os_address *address)
{
    return (const struct sockaddr *)address->bytes;
}

static sa_family_t family(const struct os_address *address)
{
    return address->size < sizeof(sa_family_t) ? AF_UNSPEC : any(address)->sa_family;
}

static int of_unix(struct os_address *address, bool has_file, const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > OS_ADDRESS_NAME_MAX)
        return -EINVAL;
    struct sockaddr_un made = { .sun_family = AF_UNIX };
    memcpy(made.sun_path + !has_file, name, length);
    memset(address, 0, sizeof *address);
    memcpy(address->bytes, &made, sizeof made);
    /* Of an abstract name, every byte counts; a path ends with its 0. Either way there is one 0 more than the name. */
    address->size = (unsigned)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return 0;
}

int os_address_of_path(struct os_address *address, const char *path)
{
    return of_unix(address, true, path);
}

int os_address_of_name(struct os_address *address, const char *name)
{
    return of_unix(address, false, name);
}

/* Adds those of one family; AF_UNSPEC: of any. @return 0 or what getaddrinfo returned */
static int find(const char *host, const char *port, int of_family, struct os_address *found, size_t room, size_t *count)
{
    const struct addrinfo hints = {
        .ai_family = of_family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV | AI_PASSIVE, /* the latter counts when there is no host */
    };
    struct addrinfo *list = NULL;
    int code = getaddrinfo(*host ? host : NULL, port, &hints, &list);
    if (code != 0)
        return code;
    for (const struct addrinfo *one = list; one && *count < room; one = one->ai_next) {
        if (one->ai_addrlen > sizeof found->bytes)
            continue;
        memset(&found[*count], 0, sizeof *found);
        memcpy(found[*count].bytes, one->ai_addr, one->ai_addrlen);
        found[*count].size = one->ai_addrlen;
        ++*count;
    }
    freeaddrinfo(list);
    return 0;
}

int os_address_find(const char *host, const char *port, struct os_address *found, size_t room)
{
    size_t count = 0;
    int code;
    if (*host) {
        code = find(host, port, AF_UNSPEC, found, room, &count);
    } else { /* a socket of IPv6 at all addresses takes IPv4's clients, too */
        code = find(host, port, AF_INET6, found, room, &count);
        if (code == 0 || code == EAI_ADDRFAMILY || code == EAI_NONAME)
            code = find(host, port, AF_INET, found, room, &count);
    }
    if (count > 0)
        return (int)count;
    if (code == EAI_SYSTEM && errno != 0)
        return -errno;
    return code == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
}

/* An address of IPv4 that a socket of IPv6 shows as one of its own is written as what it is. */
static struct os_address unmapped(const struct os_address *address)
{
    struct sockaddr_in6 long_form;
    if (family(address) != AF_INET6)
        return *address;
    memcpy(&long_form, address->bytes, sizeof long_form);
    if (!IN6_IS_ADDR_V4MAPPED(&long_form.sin6_addr))
        return *address;
    struct sockaddr_in short_form = { .sin_family = AF_INET, .sin_port = long_form.sin6_port };
    memcpy(&short_form.sin_addr, long_form.sin6_addr.s6_addr + 12, sizeof short_form.sin_addr);
    struct os_address plain = { .size = sizeof short_form };
    memcpy(plain.bytes, &short_form, sizeof short_form);
    return plain;
}

/* A path of 108 bytes, which has no 0 at its end, and an abstract name with a 0 in it can't be written: what would be
 * written is another name. */
static void text_of_unix(const struct os_address *address, char text[OS_ADDRESS_TEXT_MAX])
{
    struct sockaddr_un name;
    memcpy(&name, address->bytes, sizeof name);
    size_t size = address->size - offsetof(struct sockaddr_un, sun_path);
    size_t room = size < sizeof name.sun_path ? size : sizeof name.sun_path;
    bool is_abstract = room > 0 && !name.sun_path[0];
    const char *first = name.sun_path + is_abstract;
    size_t length = strnlen(first, room - is_abstract);
    bool is_whole = is_abstract ? length == room - 1 : length <= OS_ADDRESS_NAME_MAX;
    if (room == 0 || !is_whole)
        text[0] = 0;
    else
        snprintf(text, OS_ADDRESS_TEXT_MAX, "unix:%s%.*s", is_abstract ? "@" : "", (int)length, first);
}

static void text_of_tcp(const struct os_address *address, char text[OS_ADDRESS_TEXT_MAX])
{
    char host[100], port[8];
    if (getnameinfo(any(address), address->size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        text[0] = 0;
    else
        snprintf(text, OS_ADDRESS_TEXT_MAX, family(address) == AF_INET6 ? "tcp:[%s]:%s" : "tcp:%s:%s", host, port);
}

void os_address_text(const struct os_address *address, char text[OS_ADDRESS_TEXT_MAX])
{
    const struct os_address plain = unmapped(address);
    switch (family(&plain)) {
    case AF_UNIX:
        text_of_unix(&plain, text);
        break;
    case AF_INET:
    case AF_INET6:
        text_of_tcp(&plain, text);
        break;
    default:
        text[0] = 0;
    }
}

bool os_address_is_ipv4(const struct os_address *address)
{
    return family(address) == AF_INET;
}

bool os_address_is_loopback(const struct os_address *address)
{
    const struct os_address plain = unmapped(address);
    struct sockaddr_in6 long_form;
    struct sockaddr_in short_form;
    switch (family(&plain)) {
    case AF_UNIX:
        return true;
    case AF_INET:
        memcpy(&short_form, plain.bytes, sizeof short_form);
        return ntohl(short_form.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6:
        memcpy(&long_form, plain.bytes, sizeof long_form);
        return IN6_IS_ADDR_LOOPBACK(&long_form.sin6_addr);
    default:
        return false;
    }
}

uint64_t os_address_network(const struct os_address *address)
{
    const struct os_address plain = unmapped(address);
    struct sockaddr_in6 long_form;
    struct sockaddr_in short_form;
    uint64_t network = 0;
    switch (family(&plain)) {
    case AF_INET:
        memcpy(&short_form, plain.bytes, sizeof short_form);
        return UINT64_C(0xffffffff00000000) | short_form.sin_addr.s_addr; /* in IPv6, nobody comes from ffff:... */
    case AF_INET6:
        memcpy(&long_form, plain.bytes, sizeof long_form);
        memcpy(&network, long_form.sin6_addr.s6_addr, sizeof network);
        return network;
    default:
        return 0;
    }
}

static int told(int result, struct os_address *address, socklen_t size)
{
    if (result < 0)
        return -errno;
    address->size = size < sizeof address->bytes ? size : sizeof address->bytes;
    return 0;
}

int os_address_own(int socket, struct os_address *address)
{
    socklen_t size = sizeof address->bytes;
    int result = getsockname(socket, (struct sockaddr *)address->bytes, &size);
    return told(result, address, size);
}

int os_address_peer(int socket, struct os_address *address)
{
    socklen_t size = sizeof address->bytes;
    int result = getpeername(socket, (struct sockaddr *)address->bytes, &size);
    return told(result, address, size);
}

int os_address_credentials(int socket, struct os_credentials *credentials)
{
    int domain;
    socklen_t size = sizeof domain;
    if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return -errno;
    if (domain != AF_UNIX)
        return -ENOTSUP;
    struct ucred told_by_kernel;
    size = sizeof told_by_kernel;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &told_by_kernel, &size) < 0)
        return -errno;
    *credentials = (struct os_credentials){ told_by_kernel.pid, told_by_kernel.uid, told_by_kernel.gid };
    return 0;
}
