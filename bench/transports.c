/* bench/transports.c: every transport that bench knows of. Those whose libraries were missing stay in the list, so
 * that the tables can say so. */
#include "transport.h"

#include <string.h>

#ifdef HAVE_BOOST
extern const struct transport boost_transport;
#define BOOST (&boost_transport)
#else
#define BOOST NULL
#endif

#ifdef HAVE_ZEROMQ
extern const struct transport zeromq_transport;
#define ZEROMQ (&zeromq_transport)
#else
#define ZEROMQ NULL
#endif

#ifdef HAVE_CPP_IPC
extern const struct transport cpp_ipc_transport;
#define CPP_IPC (&cpp_ipc_transport)
#else
#define CPP_IPC NULL
#endif

#ifdef HAVE_ICEORYX2
extern const struct transport iceoryx2_transport;
#define ICEORYX2 (&iceoryx2_transport)
#else
#define ICEORYX2 NULL
#endif

#ifdef HAVE_AERON
extern const struct transport aeron_transport;
#define AERON (&aeron_transport)
#else
#define AERON NULL
#endif

#ifdef HAVE_CK
extern const struct transport ck_ring_transport;
#define CK (&ck_ring_transport)
#else
#define CK NULL
#endif

#ifdef HAVE_DPDK
extern const struct transport rte_ring_transport;
#define DPDK (&rte_ring_transport)
#else
#define DPDK NULL
#endif

extern const struct transport kith_queue_transport, kith_pipe_transport, kith_pipe_ahead_transport,
    kith_pipe_shared_transport, kith_socket_transport, pipe_transport, unix_stream_transport, unix_seqpacket_transport,
    posix_mq_transport, sysv_msg_transport, vyukov_transport, futex_transport, cache_line_transport;

const struct known transports[] = {
    { "kith-queue", "kith queue", KIND_KITH, &kith_queue_transport },
    { "kith-pipe", "kith pipe", KIND_KITH, &kith_pipe_transport },
    { "kith-pipe-ahead", "kith pipe, ahead", KIND_KITH, &kith_pipe_ahead_transport },
    { "kith-pipe-shared", "kith pipe, shared memory", KIND_KITH, &kith_pipe_shared_transport },
    { "kith-socket", "kith Unix socket", KIND_KITH, &kith_socket_transport },
    { "boost", "Boost message_queue", KIND_PEER, BOOST },
    { "cpp-ipc", "cpp-ipc", KIND_PEER, CPP_IPC },
    { "iceoryx2", "iceoryx2 (polled)", KIND_PEER, ICEORYX2 },
    { "aeron", "Aeron ipc (polled)", KIND_PEER, AERON },
    { "zeromq", "ZeroMQ ipc PUSH/PULL", KIND_PEER, ZEROMQ },
    { "pipe", "pipe(2)", KIND_PEER, &pipe_transport },
    { "unix-stream", "Unix SOCK_STREAM", KIND_PEER, &unix_stream_transport },
    { "unix-seqpacket", "Unix SOCK_SEQPACKET", KIND_PEER, &unix_seqpacket_transport },
    { "posix-mq", "POSIX mq", KIND_PEER, &posix_mq_transport },
    { "sysv-msg", "System V msg", KIND_PEER, &sysv_msg_transport },
    { "vyukov", "bare Vyukov ring", KIND_CEILING, &vyukov_transport },
    { "ck", "bare ck_ring", KIND_CEILING, CK },
    { "dpdk", "bare rte_ring", KIND_CEILING, DPDK },
    { "futex", "bare futex", KIND_CEILING, &futex_transport },
    { "cache-line", "bare cache line", KIND_CEILING, &cache_line_transport },
    { NULL, NULL, KIND_PEER, NULL },
};

const struct known *transport_find(const char *name)
{
    for (const struct known *known = transports; known->name; known++)
        if (strcmp(known->name, name) == 0)
            return known;
    return NULL;
}
