/* Packets: messages that carry descriptors, between the processes of one family. */
#ifndef KITH_SRC_OS_PACKET_H
#define KITH_SRC_OS_PACKET_H

#include <stdbool.h>
#include <stddef.h>

/** The most descriptors that a packet carries. */
#define OS_PACKET_DESCRIPTORS 240

/** Makes two sockets for packets, connected to each other, closed on exec; none is 0, 1 or 2.
 *  @return 0, or -EMFILE, -ENFILE, -ENOMEM */
int os_packet_pair(int ends[2]);

/** Whether it is one of these, and this user made it. */
bool os_packet_is_from_us(int socket);

/** Takes an end of such a pair that the caller has: a descriptor of our own for it. From then on nothing waits in
 *  os_packet_receive, for nobody who has it.
 *  @return it; -EINVAL when it is none; -EBADF; -EMFILE */
int os_packet_adopt(int socket);

/** Sends one packet. Does not wait, raises no SIGPIPE.
 *  @param descriptors  count of them, up to OS_PACKET_DESCRIPTORS; they stay the caller's
 *  @return 0; -EAGAIN when the other side has not received so many before; -EPIPE when it is gone; -EBADF when a
 *          descriptor is not open; -ETOOMANYREFS when too many are on their way; -ENOMEM */
int os_packet_send(int socket, const void *data, size_t size, const int *descriptors, size_t count);

/** Waits for a packet, unless the socket was adopted.
 *  @param size         that of the packet, which is cut to it
 *  @param descriptors  room for OS_PACKET_DESCRIPTORS: receives them, closed on exec; none becomes 0, 1 or 2. With
 *                      -EMFILE as many as could be had; those that could not are missing, or negative
 *  @param count        receives their number
 *  @return the packet's size; 0 when the other side is gone; -EINTR; -EAGAIN when none is there; -EMFILE when not all
 *          descriptors could be had; another negated errno */
ptrdiff_t os_packet_receive(int socket, void *data, size_t size, int *descriptors, size_t *count);

#endif
