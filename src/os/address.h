/* Addresses of sockets, and who is behind a socket. */
#ifndef KITH_SRC_OS_ADDRESS_H
#define KITH_SRC_OS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** The longest path, or abstract name, of a Unix socket, in bytes. */
#define OS_ADDRESS_NAME_MAX 107

/** The longest text of an address, with the 0 at its end. */
#define OS_ADDRESS_TEXT_MAX 128

/** An address as the system has it. */
struct os_address {
    _Alignas(8) unsigned char bytes[128];
    unsigned size; /* 0: none */
};

/** The address of a Unix socket that has a file.
 *  @return 0; -EINVAL when the path is empty, or longer than OS_ADDRESS_NAME_MAX */
int os_address_of_path(struct os_address *address, const char *path);

/** The address of a Unix socket in the abstract namespace. @return as os_address_of_path */
int os_address_of_name(struct os_address *address, const char *name);

/** The addresses that a host has. Asks the system's resolver, and waits for it.
 *  @param host   a name, or an address in digits; "" for all addresses of this machine, to listen at
 *  @param port   in digits
 *  @param found  receives them, those to be tried first first
 *  @param room   how many fit; there may be more, which are not told
 *  @return how many, 1 or more; -EHOSTUNREACH when no such host is known, or nobody can be asked; -ENOMEM; another
 *          negated errno */
int os_address_find(const char *host, const char *port, struct os_address *found, size_t room);

/** Writes "tcp:127.0.0.1:5000", "tcp:[::1]:5000", "unix:/path", "unix:@name"; "" when the address is none, or
 *  can't be written so. */
void os_address_text(const struct os_address *address, char text[OS_ADDRESS_TEXT_MAX]);

/** Whether it is one of IPv4. */
bool os_address_is_ipv4(const struct os_address *address);

/** Whether it leads to this machine alone. */
bool os_address_is_loopback(const struct os_address *address);

/** Where it comes from, as a number: its user may have many ports, and many addresses of IPv6. Of IPv4 that is the
 *  address; of IPv6 its first 64 bits, for a network of that size is what one user is given. 0 for other addresses. */
uint64_t os_address_network(const struct os_address *address);

/** A socket's own address, and that of its other side. @return 0 or a negated errno */
int os_address_own(int socket, struct os_address *address);
int os_address_peer(int socket, struct os_address *address);

/** Who was at the other side of a Unix socket when it was connected; the kernel's word. */
struct os_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/** @return 0; -ENOTSUP when this is no Unix socket; another negated errno */
int os_address_credentials(int socket, struct os_credentials *credentials);

#endif
