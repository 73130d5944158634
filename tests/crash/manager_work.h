/* What the tests have in common that kill clients and servers of managers: the server, the ledger in shared memory, and
 * what clients do, in C here and in Python in manager_work.py, which reads and writes the same ledger.
 *
 * A client has a slot, which tells its role, and its successor has the same one. All that is checked lies in the
 * ledger, which outlives the killed:
 *   - A putter notes which message it is about to put ("begun") and which put has returned ("confirmed").
 *   - A getter notes how many messages it may be getting, marks what it has got, then says task_done.
 *   - Who has a lock, or a unit of a semaphore, has a stamp there. More stamps than units at one instant are wrong,
 *     unless they are of clients that are being killed ("doomed").
 * Each finds by itself what is not as it must be, and then ends with a status that is not 0. */
#ifndef KITH_TESTS_CRASH_MANAGER_WORK_H
#define KITH_TESTS_CRASH_MANAGER_WORK_H

#include <kith/kith.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SLOTS = 16, WORK_QUEUE_SLOTS = 8, LIVES = 4096, MESSAGES = 1 << 22, BATCH = 5, PUTTERS = 4, ADDRESS_MAX = 120 };

/** What a client does. The order is manager_work.py's, too. */
enum role { PUT_PLAIN, GET_PLAIN, PUT_AGAIN, GET_AGAIN, LOCKS, CONDITION, OBJECTS, ROLES };

/** What clients exclude each other with. */
enum guard { LOCK, RLOCK, SEMAPHORE, BOUNDED, CONDITION_LOCK, GUARDS };

/** The two queues: "plain" and "again", which redelivers. */
enum { PLAIN, AGAIN, QUEUES };

#define UNITS 2 /* of a semaphore */

struct ledger {
    char address[ADDRESS_MAX];    /* the server's; it writes it before it is ready */
    _Atomic uint32_t ready;       /* the server: it serves */
    _Atomic uint32_t stop;        /* the parent: end when you can */
    _Atomic uint32_t waiting;     /* the server: calls that wait */
    _Atomic uint32_t objects;     /* the server */
    _Atomic uint64_t snapshots;   /* the server */
    _Atomic uint64_t given_back;  /* the server */
    _Atomic uint64_t page_calls;  /* the server */
    _Atomic uint32_t queues;      /* the server: those in shared memory, the most that there were */
    _Atomic uint32_t supply;      /* guarded by the condition */
    _Atomic uint32_t life[SLOTS]; /* which one has the slot, from 1 */
    _Atomic uint64_t progress[SLOTS];
    _Atomic uint32_t getting[SLOTS];
    _Atomic uint64_t stamps[GUARDS][SLOTS]; /* the life of who has it, and a number; 0: it has none */
    _Atomic uint8_t doomed[SLOTS][LIVES];
    _Atomic uint32_t allowed; /* the parent: a putter may have begun so many, so that the ledger has room for all */
    _Atomic uint32_t begun[PUTTERS];
    _Atomic uint8_t confirmed[PUTTERS][MESSAGES];
    _Atomic uint8_t handled[SLOTS + 1][PUTTERS][MESSAGES]; /* how often, by each; the last one is the parent */
};

extern struct ledger *ledger;

/** How a server listens, and who its clients are. */
struct setting {
    const char *name;
    const char *address;
    int sockets;      /* nothing goes through shared memory */
    bool python;      /* every second client is stock Python's */
    bool only_queues; /* nobody uses anything else */
    const char *snapshot;
};

/** Makes the ledger. @return its descriptor, which programs that are begun by exec have as well */
int ledger_new(void);
void ledger_free(int fd);

/** Starts a server that has published all that the roles need, and waits until it serves. */
kith_process *server_start(const struct setting *setting);

/** Connects to it. */
kith_manager *work_connect(const struct setting *setting);
/** A proxy of what it has published. */
kith_proxy *work_find(kith_manager *manager, const char *name);

/** What the client of a slot does until it is to stop. @return 0 */
int work_in_c(const struct setting *setting, unsigned slot);

/** The interpreter itself, which a name on PATH may only lead to. @return NULL when it does not run */
const char *work_find_python(const char *name);

/** Becomes Python, and does the same, or what else manager_work.py knows by name. Does not return.
 *  @param python  the interpreter @param script  manager_work.py */
_Noreturn void work_in_python(const char *python, const char *script, const char *what, unsigned slot, int fd);

enum role work_role(unsigned slot);
/** Which of the putters a slot is. */
unsigned work_putter(unsigned slot);
/** Which queue a putter puts to. */
unsigned work_queue_of(unsigned putter);

/** Marks a message as handled. @param by  a slot, or SLOTS for the parent @return false when it is none of ours */
bool work_mark(unsigned by, const kith_value *message);

#endif
