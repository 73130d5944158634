/* What a child is told that is no copy of its parent, and how: one packet, with descriptors, the first of them a file
 * of memory. In that lie the child's gate; a word where the kernel writes the id of a child that the forkserver makes;
 * and two pickles: the plan, which says who the child is, how it is set up and what it runs; and the arguments.
 *
 * A spawned image finds its parcel in the one socket that it has; the forkserver is sent parcels, and hands each to the
 * child that it makes for it. Either way the child holds all that it needs, and waits at its gate until its parent has
 * written it down.
 */
#ifndef KITH_SRC_PROCESS_PARCEL_H
#define KITH_SRC_PROCESS_PARCEL_H

#include "os/packet.h"
#include "process/record.h"

/** What is among the descriptors of every parcel, and where. Then come that for the report, those of streams, and those
 *  that are handed over, as many as there are: the plan tells. */
enum { PARCEL_FILE, PARCEL_PARENT, PARCEL_KNOWN };

/** The packet itself. */
struct parcel_head {
    char format[16]; /* PARCEL_FORMAT */
    uint64_t plan_size;
    uint64_t args_size;
    int32_t log_level;
    int32_t by_first_thread; /* whether the thread that is the child's parent is the first of its process */
    int32_t reports;         /* whether the child has to report, by the descriptor that follows the known ones */
};

/** To be changed with what parcels are made of: a program's library may have been replaced since the parent began. */
#define PARCEL_FORMAT "kith parcel 1"

struct parcel {
    struct parcel_head head;
    int descriptors[OS_PACKET_DESCRIPTORS]; /* borrowed in the parent; the receiver's own */
    size_t count;
    void *gate; /* the parent's mapping of the file's first page; NULL: none */
};

/** What a child is to run. */
struct errand {
    const char *entry;                   /* by name */
    const kith_value *args;              /* a tuple */
    const kith_process_options *options; /* never NULL */
};

/** Packs a parcel for a child that is written down. The file is in the child's luggage then, and the gate is the
 *  child's.
 *  @return 0; -EBADF, -EMFILE, -ENFILE, -ENOMEM, -ENOSPC, KITH_ELIMIT, -ENOTSUP with a detail */
int parcel_pack(struct parcel *parcel, struct kith_process *child, const struct errand *errand);

/** Gives up what the parent has of it, but the luggage: when the gate is lifted, or nobody will pass it. */
void parcel_forget(struct parcel *parcel);

/** Sends it. @return as os_packet_send */
int parcel_send(const struct parcel *parcel, int socket);

/** Waits for one. When that fails, nothing of it is left.
 *  @return 1; 0 when none will come; -EINTR; -EMFILE when not all descriptors could be had, KITH_ELAYOUT when another
 *          version of the library has sent it: then it is gone; another negated errno */
int parcel_receive(struct parcel *parcel, int socket);

/** Closes the descriptors of one that was received. */
void parcel_discard(struct parcel *parcel);

/** Forks a sibling that is to become the child that a parcel tells of. @return as forks_sibling; -ENOMEM */
pid_t parcel_fork(const struct parcel *parcel);

/** The child that parcel_fork has made of what was packed, also when the process that did so was killed before it could
 *  tell. @return its id; 0: there was none */
pid_t parcel_made(const struct parcel *parcel);

/** Becomes the child that a parcel tells of, and lives its life. */
_Noreturn void parcel_live(const struct parcel *parcel);

#endif
