/* kith/connection.h: connections: messages, values and file descriptors that go from one process to another, by a pipe
 * among relatives, or by a listener and its clients, on one host or several.
 *
 * A message is a frame as CPython's multiprocessing.connection writes it (Lib/multiprocessing/connection.py,
 * _send_bytes): its length as a big-endian signed 32-bit number, then its bytes; for a message longer than 0x7fffffff
 * the number is -1 and the length follows as a big-endian unsigned 64-bit one. A value is a message that is a pickle.
 * The channel is a stream socket, of the Unix family or of TCP, with TLS on it or without. On a Unix socket a
 * descriptor is attached (SCM_RIGHTS) to a byte of its own, 1, as in Lib/multiprocessing/reduction.py, sendfds.
 *
 * One thread of one process at a time may send on a connection, and one receive; sending and receiving may go on side
 * by side. Processes that inherited an end may use it by turns.
 *
 * What kith_connect and kith_listener_accept make belongs to their process: short messages that have come are taken
 * from the socket many at a time, as long as the process has not forked since, nor asked for kith_connection_fd. When
 * such a connection is handed to a child after something was received, what was taken goes with it: the parent is to
 * leave it to the child then.
 *
 * When the other side dies, the end comes, or KITH_ETRUNCATED. When its machine or the network goes without a word,
 * nothing comes: over TCP, kith_connect's and kith_listener_accept's connections then end after two minutes of silence
 * (SO_KEEPALIVE), as if they had been reset.
 *
 * A child made by kith_process_start has the ends that kith_process_options.connections names, and no others: so the
 * other side sees the end of a pipe when the process that was meant to have it is gone, and not when the last stranger
 * is. Other programs that are executed inherit none.
 */
#ifndef KITH_CONNECTION_H
#define KITH_CONNECTION_H

#include <kith/base.h>
#include <kith/codec.h>
#include <kith/process.h>
#include <kith/queue.h>
#include <kith/value.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One end of a pipe, or of what kith_connect and kith_listener_accept make. */
typedef struct kith_connection kith_connection;

/* ---- pipes ---- */

/** Options of a pipe; all zero is the default. */
typedef struct kith_pipe_options {
    int one_way; /**< the first end only receives and the second only sends */
    /** Each end is received from by one process only, and watched by kith_connection_poll and kith_wait only: then
     *  short messages that have come are taken many at a time, which is quicker. kith_connection_fd ends it. */
    int read_ahead;
    /** Messages go through shared memory, which is several times as quick; the socket wakes who sleeps, and tells the
     *  end. An end may be used by several processes by turns, as any; they may also wait for it at the same time.
     *
     *  The other side's death is told as with any pipe, to a sender that goes on sending: within 20 us of having been
     *  alive it may still seem so, and who waits for room finds out within a tenth of a second. Messages are sent as a
     *  whole or not at all, whatever their size; memory for them can be short.
     *
     *  kith_connection_fd has all messages of both ends go by the socket from then on, and kith_connection_send_fd
     *  those of its direction: so whoever polls, or is no kith program, goes on with frames. What was sent before is
     *  received first.
     *
     *  Each direction takes one more descriptor, and 128 KiB of memory. Where these can't be had, or half the
     *  descriptors that this process may have are in use, the pipe is a plain one. */
    int shared_memory;
} kith_pipe_options;

/** Makes a pipe.
 *  @param first    receives an end; free it with kith_connection_free
 *  @param second   receives the other end; free it with kith_connection_free
 *  @param options  NULL for the defaults: both ends send and receive
 *  @return 0; -EINVAL when first or second is NULL; -EMFILE or -ENFILE when no two file descriptors are left; or
 *          -ENOMEM */
KITH_API KITH_MUST_USE int kith_pipe(kith_connection **first, kith_connection **second,
                                     const kith_pipe_options *options);

/** Makes a connection of a connected stream socket: one that was handed over (kith_connection_fd there,
 *  kith_connection_recv_fd here), or comes from elsewhere. Nobody is asked to prove anything. Handles that were made of
 *  one socket separately must not receive by turns: what one has looked at, it takes to be still there.
 *  @param connection  receives it; free it with kith_connection_free
 *  @param fd          the socket; it stays the caller's, the connection has one of its own
 *  @return 0; -EINVAL when connection is NULL, or fd is no connected stream socket; -EBADF when it is not open;
 *          -EMFILE, -ENFILE, -ENOMEM */
KITH_API KITH_MUST_USE int kith_connection_from_fd(kith_connection **connection, int fd);

/** The descriptors that an end consists of. */
typedef struct kith_connection_share {
    int socket;
    int in;  /**< the shared memory of what it receives; -1: none */
    int out; /**< the shared memory of what it sends; -1: none, or messages go by the socket by now */
} kith_connection_share;

/** Tells which descriptors an end consists of, to hand it to another process: by kith_process_options.fds, by
 *  kith_connection_send_fd, or as a Python program does. Nothing changes by it. To poll, see kith_connection_fd.
 *  @param share  receives them; they are the connection's: do not close them
 *  @return 0; KITH_ECLOSED; -EINVAL when connection or share is NULL */
KITH_API int kith_connection_get_share(const kith_connection *connection, kith_connection_share *share);

/** Makes a connection of what kith_connection_get_share has told, in the process that the descriptors were handed to.
 *  One without shared memory is as kith_connection_from_fd makes it.
 *  @param share  they stay the caller's, the connection has descriptors of its own
 *  @return 0; -EINVAL when connection or share is NULL, or the descriptors are not those of an end; KITH_ELAYOUT as
 *          kith/memory.h says; -EBADF when one is not open; -EMFILE, -ENFILE, -ENOMEM */
KITH_API KITH_MUST_USE int kith_connection_from_share(kith_connection **connection, const kith_connection_share *share);

/* ---- messages ---- */

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
 *  @param timeout     how long to wait for the other side to make room. KITH_AT_ONCE (kith/base.h) is for all calls
 *                     that send and receive: it differs from KITH_NOWAIT with shared_memory alone
 *  @return 0; -ETIMEDOUT when there was no room in time; -EPIPE when the other side is closed, or an earlier message
 *          was cut short; with shared_memory, -EAGAIN when somebody is in the middle of a call, with KITH_AT_ONCE, and
 *          -EBUSY when somebody has been so for a second past the timeout (it is stopped, or copies gigabytes); -EBADF
 *          when this end only receives; KITH_ECLOSED when this handle was closed, or belongs to the parent and was not
 *          named for this child; -EINTR when a signal handler ran, with SA_RESTART or without, before a byte was sent;
 *          -ENOMEM when there is no memory for it; -EINVAL when connection is NULL, data is NULL and size is not 0, the
 *          size is negative seen as ptrdiff_t, or the timeout is negative */
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
 *          KITH_ETRUNCATED when it closed or died in the middle of a message, or, over TCP, the connection was reset,
 *          so that nobody knows what is missing; KITH_ELIMIT: see kith_connection_set_max_message; -EBADF when this end
 *          only sends; -EBADMSG when what came is no frame, now and ever after; -ENOMSG when a descriptor comes next:
 *          it is still there, for kith_connection_recv_fd; KITH_ECLOSED and -EINVAL as for kith_connection_send; -EINTR
 *          when a signal handler ran while waiting (what has come is kept); -ENOMEM when the message's memory can't be
 *          allocated (it can be received again, once there is memory); -EAGAIN and -EBUSY as for
 *          kith_connection_send */
KITH_API KITH_MUST_USE int kith_connection_recv(kith_connection *connection, kith_bytes *message, kith_timeout timeout);

/** Receives one message into memory of the caller's. A message that does not fit stays where it is, to be received with
 *  more room.
 *  @param buffer    receives the message. May be NULL when capacity is 0
 *  @param capacity  the buffer's length in bytes
 *  @param size      receives the message's length in bytes; also with -EMSGSIZE, where it tells what is needed
 *  @return as kith_connection_recv; -EMSGSIZE when the message is longer than capacity; -EINVAL also when size is NULL,
 *          or buffer is NULL and capacity is not 0; -ENOMEM when the wait ended in the middle of a message and there is
 *          no memory to keep what had come: then it is KITH_ETRUNCATED from now on */
KITH_API KITH_MUST_USE int kith_connection_recv_into(kith_connection *connection, void *buffer, size_t capacity,
                                                     size_t *size, kith_timeout timeout);

/** The longest message that this end receives. A longer one ends the connection in this process: kith_connection_recv
 *  says KITH_ELIMIT, now and ever after.
 *  @param size  in bytes; 0: no bound but memory, which is the default
 *  @return 0; KITH_ECLOSED; -EINVAL when connection is NULL */
KITH_API int kith_connection_set_max_message(kith_connection *connection, uint64_t size);

/** Sends a value, as a message that is a pickle of protocol 4; a Python program receives it by recv.
 *  @return as kith_pickle_write and kith_connection_send. When the pickle can't be made, nothing was sent */
KITH_API KITH_MUST_USE int kith_connection_send_value(kith_connection *connection, const kith_value *value,
                                                      kith_timeout timeout);

/** Receives a message that is a pickle, as a Python program's send makes it.
 *  @param arena  owns the value
 *  @return as kith_connection_recv; KITH_EMALFORMED or KITH_ELIMIT when the message is no pickle or exceeds the default
 *          limits of kith_pickle_read_options: that message is gone, and the next can be received */
KITH_API KITH_MUST_USE int kith_connection_recv_value(kith_connection *connection, kith_arena *arena,
                                                      kith_value **value, kith_timeout timeout);

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
 *          descriptors on their way as a process may have open (RLIMIT_NOFILE); -ENOTSUP when this is no Unix
 *          socket; -ETIMEDOUT, -EPIPE, KITH_ECLOSED,
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
 *          -EBADF, KITH_ECLOSED, -EINTR and -EINVAL as for kith_connection_recv; -ENOTSUP as for
 *          kith_connection_send_fd */
KITH_API KITH_MUST_USE int kith_connection_recv_fd(kith_connection *connection, int *fd, kith_timeout timeout);

/** Waits until there is something to receive: a message, a part of one, a descriptor, or the end. While
 *  kith_connection_recv has kept a part of a message, that is more of it.
 *  @return 1 when there is; 0 when there was nothing in time; -EBADF, KITH_ECLOSED, -EINTR, -EAGAIN, -ENOMEM, -EINVAL
 *          as for kith_connection_recv */
KITH_API KITH_MUST_USE int kith_connection_poll(kith_connection *connection, kith_timeout timeout);

/** The file descriptor, for poll, select and epoll: readable when kith_connection_poll would return 1. It stays the
 *  connection's: do not read, write or close it. Ask for it before you receive: where messages are read ahead, that
 *  ends here, but what was taken already is to be received first; so it is where messages go through shared memory
 *  (kith_pipe_options.shared_memory), of which the descriptor tells nothing. With TLS a part of what came may have been
 *  read from it at any time: use kith_wait, or receive with KITH_NOWAIT until that says -ETIMEDOUT before you poll.
 *  @return the descriptor; KITH_ECLOSED, also while the connection is lost and to be made anew; -EBUSY as for
 *          kith_connection_send; -EINVAL when connection is NULL */
KITH_API int kith_connection_fd(const kith_connection *connection);

/** Who is at the other end. */
typedef struct kith_peer {
    pid_t pid;         /**< of a Unix socket: the process that connected, or listened; else 0 */
    uid_t uid;         /**< its user; of TCP (uid_t)-1 */
    gid_t gid;         /**< its group; of TCP (gid_t)-1 */
    char address[128]; /**< as kith_connect takes it: "tcp:192.0.2.1:5000"; "" where there is none */
} kith_peer;

/** Tells who is at the other end. What a Unix socket tells is the kernel's word, of the moment when the connection was
 *  made (SO_PEERCRED); the process may have ended since, and its id may be another's.
 *  @param peer  receives it
 *  @return 0; KITH_ECLOSED, also while it is lost; -EINVAL when connection or peer is NULL */
KITH_API int kith_connection_peer(const kith_connection *connection, kith_peer *peer);

/** Closes this end in this process. The other side gets the end of the pipe once every process that has this end closed
 *  it or ended. No other thread may be in a call on it.
 *  @return 0, also when it is closed already; -EINVAL when connection is NULL */
KITH_API int kith_connection_close(kith_connection *connection);

/** Closes the end if need be and frees the handle. NULL is fine. */
KITH_API void kith_connection_free(kith_connection *connection);

/* ---- waiting for many ---- */

/** One thing to wait for: just one of the first five is set. */
typedef struct kith_waitable {
    kith_connection *connection;    /**< ready when kith_connection_poll would return 1, or it is lost */
    struct kith_listener *listener; /**< ready when kith_listener_accept with KITH_NOWAIT has something to do */
    kith_queue *queue;              /**< ready when there may be a message to get, as kith_queue_fd says */
    kith_process *process;          /**< ready when it has ended */
    int fd;                         /**< used when all of the above are NULL: ready when it is readable */
    int ready;                      /**< set to 1 or 0 */
} kith_waitable;

/** Waits until at least one of many is ready.
 *  @param items    count of them; ready is written in each
 *  @param count    0 only waits
 *  @return how many are ready; 0 when none was in time; -EINVAL when items is NULL, or one names nothing or two things,
 *          or they are more than the descriptors that this process may have;
 *          KITH_ECLOSED or -EBADF when one is closed, with its index in the detail; -ECHILD as kith_process_sentinel;
 *          -EINTR when a signal handler ran while waiting; -EMFILE, -ENOMEM */
KITH_API KITH_MUST_USE int kith_wait(kith_waitable *items, size_t count, kith_timeout timeout);

/* ---- addresses, keys, and TLS ----
 *
 *      unix:/run/kith/jobs      a Unix socket with a path (which may be relative)
 *      unix:@jobs               a Unix socket in Linux's abstract namespace: it has no file, and goes with its listener
 *      tcp:HOST:PORT            TCP: a name, an IPv4 address, or an IPv6 address in brackets. A listener's HOST may be
 *                               empty for all addresses of this machine; its PORT may be 0 for one that is free.
 *                               A name may have several addresses: a client tries each, a listener takes the
 *                               first that it can have, IPv4's before IPv6's, for Python's clients know no others
 *      fd:3                     a listener's: a socket that listens already, handed over by a parent or a service
 *                               manager. It stays the caller's, for the listener has a descriptor of its own, and goes
 *                               on listening when that is closed. Nobody who has it waits in accept from then on
 *
 * A path may have 107 bytes. Names are looked up by the system's resolver, which knows no timeout of ours. */

/** Who may talk to whom over an insecure network: TLS 1.3, and nothing older. All zero is a client's TLS with
 *  certificates, the server's checked against the system's authorities.
 *
 *  A connection with TLS belongs to the process that made it: keys can't be shared, and in a child its calls say
 *  KITH_ECLOSED. When the other side dies, or somebody on the way cuts the connection, receiving says KITH_ETRUNCATED
 *  also between two messages; KITH_EEOF is a goodbye. What TLS finds wrong later than in the handshake is KITH_ETLS
 *  when receiving: so a client learns there, unless there is an authkey, that the server has refused its
 *  certificate. */
typedef struct kith_tls_options {
    /** No certificates: both sides prove by TLS itself that they have the same authkey (a pre-shared key, with an
     *  ephemeral key exchange). The authkey must be given and have at least 16 bytes; let it be random, as
     *  `openssl rand -hex 32` makes one. How the key is derived, and why that is sound: docs/design/tls.md. */
    int from_authkey;
    /** A file in PEM: the certificate, and those between it and the root. A server must have one (unless
     *  from_authkey), a client may. */
    const char *certificate;
    const char *key; /**< a file in PEM: its private key, without a passphrase; NULL: it is in the certificate's file */
    /** A file in PEM: whom to believe: who has signed certificates, or single ones. NULL: a client believes whom the
     *  system believes, a server asks for no certificate. A server that has some takes only clients with a certificate
     *  of theirs. */
    const char *authorities;
    const char *host; /**< a client: the name that the server's certificate must have; NULL: the address's host */
} kith_tls_options;

/* ---- clients ---- */

/** How to connect; all zero is the default. What it points to is copied. */
typedef struct kith_client_options {
    const void *authkey; /**< as the listener's; NULL: none, and then the listener must have none */
    size_t authkey_size; /**< in bytes; an empty key is one, as CPython has it, when authkey is not NULL */
    int refuse_md5;      /**< as kith_listener_options.refuse_md5: a listener of Python 3.11 or older is refused */
    const kith_tls_options *tls; /**< TLS over TCP; NULL: none */
    /** While nobody listens there (yet), try again with growing pauses until the timeout ends; then it is -ENOENT or
     *  -ECONNREFUSED still. */
    int retry;
    /** When the connection is lost, the call that finds it says so (-EPIPE, KITH_EEOF, KITH_ETRUNCATED, KITH_ETLS),
     *  once; the next send or receive first connects anew, trying again with growing pauses within its own timeout.
     *  What either side had not received before the loss is lost, and not sent again. Such a connection is for one
     *  thread at a time, which either sends or receives. */
    int reconnect;
    uint64_t max_message; /**< as kith_connection_set_max_message */
} kith_client_options;

/** Connects to a listener, kith's or that of Python's multiprocessing.connection, and proves to have its key, as it
 *  must prove to have ours.
 *
 *  A client without a key does not wait to be asked for one, for a listener that wants none says nothing: when it
 *  should have had one, its first receive gets a message that begins with "#CHALLENGE#", and then it is KITH_EEOF. A
 *  client with a key waits for a listener that has none until the timeout ends, or the first message comes.
 *
 *  Connecting beyond this machine (TCP to other addresses than loopback) without TLS puts a warning into the log.
 *
 *  @param connection  receives it; free it with kith_connection_free
 *  @param address     see above
 *  @param options     NULL for the defaults
 *  @param timeout     how long it may take, all together
 *  @return 0; -EINVAL when the address is none, or options contradict each other; -ENOENT or -ECONNREFUSED when nobody
 *          listens there; -EHOSTUNREACH, also when nobody knows such a host; -ENETUNREACH; -EACCES when the socket's
 *          file may not be used; KITH_EAUTH when the keys differ, or the listener has none; KITH_EMALFORMED when the
 *          other side does not speak this protocol; KITH_ETLS when TLS fails; KITH_EEOF or -ECONNRESET when the other
 *          side ends it in between (a listener that does not allow this user, whose patience is over, or that turns it
 *          away for too many failures; or a crash); -ETIMEDOUT; -EINTR; -EMFILE, -ENFILE, -ENOMEM; -EADDRNOTAVAIL when
 *          this machine has no port left to connect from; -ENOTSUP for TLS on a Unix socket; another negated errno when
 *          the system has a reason of its own, as a firewall's -EPERM */
KITH_API KITH_MUST_USE int kith_connect(kith_connection **connection, const char *address,
                                        const kith_client_options *options, kith_timeout timeout);

/* ---- listeners ---- */

/** Takes connections in. It belongs to the process that made it: a child of kith_process_start has nothing of it, and
 *  in a copy that the program forks itself its calls say KITH_ECLOSED. To share the work, hand accepted connections
 *  on. */
typedef struct kith_listener kith_listener;

/** How to listen; all zero is the default. What it points to is copied. */
typedef struct kith_listener_options {
    const void *authkey; /**< what clients must prove to have, 0 bytes or more; NULL: no authentication */
    size_t authkey_size; /**< in bytes */
    /** Refuses the old form of authentication, a bare HMAC-MD5, which is all that Python 3.11 and older speak. */
    int refuse_md5;
    /** How many connections may wait until kith_listener_accept sees them; 0: 4,096. The system may allow fewer
     *  (net.core.somaxconn). On TCP, one that finds no room tries again only after a second. */
    int backlog;
    /** How long a client may take for each of the three messages by which it proves itself; 0: 10 s. One that has said it
     *  while nobody was in kith_listener_accept is heard before it is dropped. */
    kith_timeout handshake_timeout;
    unsigned max_handshakes;     /**< how many may be doing so at a time; 0: 256. One more makes the oldest go */
    const kith_tls_options *tls; /**< TLS over TCP; NULL: none */
    /** Permissions of a Unix socket's file, whatever the umask; 0: 0600, its user alone. An abstract name has none:
     *  everybody on this machine can connect. */
    unsigned mode;
    const uid_t *allowed_users; /**< Unix sockets: who may connect, allowed_user_count of them. NULL: whoever can */
    size_t allowed_user_count;  /**< in elements */
    uint64_t max_message;       /**< kith_connection_set_max_message for each connection */
    /** How many handshakes may be refused in a minute that come from one IP address (of IPv6: one network of 64 bits),
     *  or one user of Unix sockets. Whoever comes from there after that is turned away at once, also with the right
     *  key. In a minute, so many are forgotten again, one by one. 0: no bound. The last 1,000 origins are known. */
    unsigned max_failures;
    /** Where several processes accept at one "fd:...": a pair of sockets (socketpair with AF_UNIX and SOCK_SEQPACKET)
     *  that all of them have, and the same authkey. It stays the caller's, as the socket does. Clients that have not
     *  proved themselves yet when a process returns from kith_listener_accept (with KITH_NOWAIT: and takes one along),
     *  or closes its listener, wait there, and go on with whichever process is in that call next. There is room for as
     *  many as the first socket's SO_SNDBUF takes, by default some 90; the others wait for this listener's next call.
     *  They see the end when nobody has the pair any more, or the process dies that is in the call with them. Not with
     *  TLS. NULL: they all wait for this listener's next call */
    const int *lobby;
} kith_listener_options;

/** Listens at an address. A socket's file that a dead listener has left is replaced; that of a living one is not.
 *  Listening beyond this machine (TCP on other addresses than loopback) without TLS puts a warning into the log.
 *  @param listener  receives it; free it with kith_listener_free
 *  @param address   see above
 *  @param options   NULL for the defaults. For a socket that listens already, backlog means nothing, and mode must be 0
 *  @return 0; -EADDRINUSE when somebody listens there, or a file that is no socket is there; -EADDRNOTAVAIL, -EACCES,
 *          -ENOENT (no such folder), -EROFS, -ENOSPC; KITH_ETLS when certificate or key can't be used; -EINVAL when the
 *          address is none, "fd:..." is no stream socket that listens, the lobby is no such pair, or options contradict
 *          each other; -EBADF when one of these descriptors is not open; -ENOTSUP for TLS on a Unix socket, or with a
 *          lobby; -EMFILE, -ENFILE, -ENOMEM */
KITH_API KITH_MUST_USE int kith_listener_new(kith_listener **listener, const char *address,
                                             const kith_listener_options *options);

/** Waits for a client that has proved itself.
 *
 *  Clients prove themselves side by side, while somebody is in this call: one that is slow, silent, or wrong holds up
 *  nobody, and is dropped when it fails, or when its time is over; the log tells of it (KITH_LOG_WARNING), of ten a
 *  second singly, and kith_listener_get_stats counts. One thread at a time may be in it.
 *
 *  @param connection  receives it; free it with kith_connection_free
 *  @return 0; -ETIMEDOUT when no client had proved itself in time; KITH_ECLOSED; -EINTR when a signal handler ran while
 *          waiting; -EMFILE, -ENFILE or -ENOMEM when a client waits and there is no room for it, nor one whose
 *          handshake could make room; -EINVAL */
KITH_API KITH_MUST_USE int kith_listener_accept(kith_listener *listener, kith_connection **connection,
                                                kith_timeout timeout);

/** The address that a client gives to kith_connect, with the port that was found, as "tcp:127.0.0.1:40001". A listener
 *  at all addresses has "tcp:[::]:40001", which clients on this machine can use; others name the machine instead.
 *  @return a string that lives as long as the listener; "" when listener is NULL */
KITH_API const char *kith_listener_address(const kith_listener *listener);

/** A descriptor for poll, select and epoll: readable when kith_listener_accept with KITH_NOWAIT has something to do,
 *  which need not yield a connection. It stays the listener's: do not read, write or close it.
 *  @return the descriptor; KITH_ECLOSED; -EINVAL when listener is NULL */
KITH_API int kith_listener_fd(const kith_listener *listener);

/** What a listener has seen. */
typedef struct kith_listener_stats {
    uint64_t accepted;    /**< connections handed out */
    uint64_t refused;     /**< wrong key, wrong user, TLS failed, or no sense in what they said */
    uint64_t turned_away; /**< came from where too many were refused: see max_failures */
    uint64_t timed_out;   /**< did not prove themselves in time */
    uint64_t evicted;     /**< had to go for newer ones: see max_handshakes */
    uint64_t gone;        /**< went themselves in the middle */
    unsigned handshakes;  /**< are proving themselves now */
} kith_listener_stats;

/** @return 0; -EINVAL when listener or stats is NULL */
KITH_API int kith_listener_get_stats(const kith_listener *listener, kith_listener_stats *stats);

/** Stops listening: those who wait are turned away, unless there is a lobby, and the socket's file is removed, by the
 *  process that made it. Connections that were accepted live on. No other thread may be in a call on it.
 *  @return 0, also when it is closed already; -EINVAL when listener is NULL */
KITH_API int kith_listener_close(kith_listener *listener);

/** Closes it if need be and frees the handle. NULL is fine. */
KITH_API void kith_listener_free(kith_listener *listener);

#ifdef __cplusplus
}
#endif

#endif
