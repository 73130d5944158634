/* kith/connection.h: pipes: two ends, and messages and file descriptors that go from one to the other.
 *
 * A message is a frame as CPython's multiprocessing.connection writes it (Lib/multiprocessing/connection.py,
 * _send_bytes): its length as a big-endian signed 32-bit number, then its bytes; for a message longer than 0x7fffffff
 * the number is -1 and the length follows as a big-endian unsigned 64-bit one. The channel is a Unix stream socket. A
 * descriptor is attached (SCM_RIGHTS) to a byte of its own, 1, as in Lib/multiprocessing/reduction.py, sendfds.
 *
 * One thread of one process at a time may send on an end, and one receive; sending and receiving may go on side by
 * side.
 *
 * A child made by kith_process_start has the ends that kith_process_options.connections names, and no others: so the
 * other side sees the end of a pipe when the process that was meant to have it is gone, and not when the last stranger
 * is. Other programs that are executed inherit none.
 */
#ifndef KITH_CONNECTION_H
#define KITH_CONNECTION_H

#include <kith/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One end of a pipe. */
typedef struct kith_connection kith_connection;

/** Options of a pipe; all zero is the default. */
typedef struct kith_pipe_options {
    int one_way; /**< the first end only receives and the second only sends */
} kith_pipe_options;

/** Makes a pipe.
 *  @param first    receives an end; free it with kith_connection_free
 *  @param second   receives the other end; free it with kith_connection_free
 *  @param options  NULL for the defaults: both ends send and receive
 *  @return 0; -EINVAL when first or second is NULL; -EMFILE or -ENFILE when no two file descriptors are left; or
 *          -ENOMEM */
KITH_API KITH_MUST_USE int kith_pipe(kith_connection **first, kith_connection **second,
                                     const kith_pipe_options *options);

/** Sends one message.
 *
 *  Returns when the kernel has all of it; the other side may not have received it yet. When the timeout ends in the
 *  middle of a message, this end can send no more, in no process that has it: the other side could not tell where the
 *  next message begins. It gets KITH_ETRUNCATED. So give large messages time; one of up to 16,384 bytes is sent as a
 *  whole or not at all, unless the system's socket buffers (net.core.wmem_default) were made very small.
 *
 *  @param connection  an open end that may send
 *  @param data        the message, still the caller's afterwards. May be NULL when size is 0
 *  @param size        its length in bytes
 *  @param timeout     how long to wait for the other side to make room
 *  @return 0; -ETIMEDOUT when there was no room in time; -EPIPE when the other side is closed, or an earlier message
 *          was cut short; -EBADF when this end only receives; KITH_ECLOSED when this handle was closed, or belongs to
 *          the parent and was not named for this child; -EINTR when a signal handler ran, with SA_RESTART or without,
 *          before a byte was sent; -ENOMEM when the kernel has no memory for it; -EINVAL when connection is NULL, data
 *          is NULL and size is not 0, the size is negative seen as ptrdiff_t, or the timeout is negative */
KITH_API KITH_MUST_USE int kith_connection_send(kith_connection *connection, const void *data, size_t size,
                                                kith_timeout timeout);

/** Receives one message into memory that it allocates.
 *
 *  When the timeout ends in the middle of a message, what has come is kept and the next call goes on with it.
 *  Descriptors that another program has attached to a message are closed.
 *
 *  @param connection  an open end that may receive
 *  @param message     receives the message; the caller frees it with kith_bytes_free
 *  @param timeout     how long to wait for the whole message
 *  @return 0; -ETIMEDOUT when it was not there in time; KITH_EEOF when the other side has closed and all is received;
 *          KITH_ETRUNCATED when it closed or died in the middle of a message; -EBADF when this end only sends; -EBADMSG
 *          when what came is no frame, now and ever after; -ENOMSG when a descriptor comes next: it is still there, for
 *          kith_connection_recv_fd; KITH_ECLOSED and -EINVAL as for kith_connection_send; -EINTR when a signal handler
 *          ran while waiting (what has come is kept); -ENOMEM when the message's memory can't be
 *          allocated (it can be received again, once there is memory) */
KITH_API KITH_MUST_USE int kith_connection_recv(kith_connection *connection, kith_bytes *message, kith_timeout timeout);

/** Sends a file descriptor. The other process receives one of its own that stands for the same open file: a socket, a
 *  pipe, a file, a queue or a lock of kith's (kith_..._share_fd).
 *
 *  It keeps its place among the messages, and is received by kith_connection_recv_fd, or by recv_handle of CPython's
 *  multiprocessing.reduction, whose send_handle in turn sends what kith_connection_recv_fd receives. It is on its way
 *  when this returns: the sender may close its own. What the other side never receives is closed with the pipe.
 *
 *  @param connection  an open end that may send
 *  @param fd          any open descriptor; still the caller's afterwards
 *  @param timeout     how long to wait for the other side to make room
 *  @return 0; -EBADF when fd is not open, or this end only receives; -ETOOMANYREFS when this user has as many
 *          descriptors on their way as a process may have open (RLIMIT_NOFILE); -ETIMEDOUT, -EPIPE, KITH_ECLOSED,
 *          -EINTR, -ENOMEM and -EINVAL as for kith_connection_send */
KITH_API KITH_MUST_USE int kith_connection_send_fd(kith_connection *connection, int fd, kith_timeout timeout);

/** Receives a file descriptor. Messages and descriptors come in the order in which they were sent; which of the two is
 *  next is for the two sides to agree on.
 *
 *  @param connection  an open end that may receive
 *  @param fd          receives the descriptor, closed on exec; the caller closes it. Children that are forked inherit
 *                     it like any other
 *  @param timeout     how long to wait
 *  @return 0; -ENOMSG when a message comes next: it is still there, for kith_connection_recv; -EMFILE when this process
 *          has as many descriptors as it may: it is still there, too; -EBADMSG when more than one came at once, which
 *          kith does not send: all were closed, and what was sent behind them can be received; -ETIMEDOUT, KITH_EEOF,
 *          -EBADF, KITH_ECLOSED, -EINTR and -EINVAL as for kith_connection_recv */
KITH_API KITH_MUST_USE int kith_connection_recv_fd(kith_connection *connection, int *fd, kith_timeout timeout);

/** Waits until there is something to receive: a message, a part of one, a descriptor, or the end. While
 *  kith_connection_recv has kept a part of a message, that is more of it.
 *  @return 1 when there is; 0 when there was nothing in time; -EBADF, KITH_ECLOSED, -EINTR, -EINVAL as for
 *          kith_connection_recv */
KITH_API KITH_MUST_USE int kith_connection_poll(kith_connection *connection, kith_timeout timeout);

/** The file descriptor, for poll, select and epoll: readable when kith_connection_poll would return 1. It stays the
 *  connection's: do not read, write or close it.
 *  @return the descriptor; KITH_ECLOSED; -EINVAL when connection is NULL */
KITH_API int kith_connection_fd(const kith_connection *connection);

/** Closes this end in this process. The other side gets the end of the pipe once every process that has this end closed
 *  it or ended. No other thread may be in a call on it.
 *  @return 0, also when it is closed already; -EINVAL when connection is NULL */
KITH_API int kith_connection_close(kith_connection *connection);

/** Closes the end if need be and frees the handle. NULL is fine. */
KITH_API void kith_connection_free(kith_connection *connection);

#ifdef __cplusplus
}
#endif

#endif
