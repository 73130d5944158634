/* kith/base.h: what every other header needs: visibility, version, error codes, timeouts, bytes, logging.
 *
 * Results. Calls return int: 0 or a count on success, a negative code on failure. Where errno has the meaning, the code
 * is the negated errno (-ENOMEM, -EINVAL, -ETIMEDOUT); beyond it there are the KITH_E codes below. Outputs are written
 * on success only. Nothing in the library prints, exits or aborts; what it has to say beyond the code is in
 * kith_error_detail(), and in the log for those who switch it on.
 *
 * Threads and processes. Every call may be made from any thread unless its comment says otherwise, and from a process
 * made by kith_process_start or fork. No call but kith_version, kith_strerror and kith_error_name may be made in a
 * signal handler.
 */
#ifndef KITH_BASE_H
#define KITH_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_VERSION_MAJOR 0
#define KITH_VERSION_MINOR 1
#define KITH_VERSION_PATCH 0
#define KITH_VERSION "0.1.0"

#if defined(__GNUC__)
#define KITH_API __attribute__((visibility("default")))
#define KITH_MUST_USE __attribute__((warn_unused_result))
#define KITH_PRINTF(string, first) __attribute__((__format__(__printf__, string, first)))
#else
#define KITH_API
#define KITH_MUST_USE
#define KITH_PRINTF(string, first)
#endif

/** The version of the library that runs, "MAJOR.MINOR.PATCH"; KITH_VERSION is the one compiled against. */
KITH_API const char *kith_version(void);

/* ---- errors ---- */

/** Codes for what errno has no word for. They never collide with a negated errno. */
enum kith_error {
    KITH_EEMPTY = -10001,      /**< the queue held nothing in the time given */
    KITH_EFULL = -10002,       /**< the queue had no room in the time given */
    KITH_ECLOSED = -10003,     /**< this handle was closed, the queue was shut and is drained, or the server is gone */
    KITH_EOWNERDEAD = -10004,  /**< acquired, but the owner before died while it held it: check what it protects */
    KITH_EEOF = -10005,        /**< the other side closed the connection; every message it sent has been received */
    KITH_ETRUNCATED = -10006,  /**< the connection ended in the middle of a message */
    KITH_ELAYOUT = -10007,     /**< the object was made by another version of kith, which lays it out differently */
    KITH_EBROKEN = -10008,     /**< the barrier is broken: somebody gave up, died or broke it */
    KITH_ETYPE = -10009,       /**< the value is of another kind than what was asked for */
    KITH_EMALFORMED = -10010,  /**< what came is no pickle, no JSON, or no handshake */
    KITH_ELIMIT = -10011,      /**< too deep, too long or too many: it exceeds a limit that protects this process */
    KITH_EAUTH = -10012,       /**< the other side does not have the same key, or may not come in */
    KITH_ETLS = -10013,        /**< no safe connection could be made: see the detail */
    KITH_EWORKERLOST = -10014, /**< the process that ran the task ended before it was done */
    KITH_ETASK = -10015,       /**< the task failed: its function returned a number above 0 */
    KITH_EOVERTIME = -10016,   /**< the task was not done within its time limit */
    KITH_EREMOTE = -10017      /**< a manager's object raised an exception that no code suits */
};

/** Says what a code means, in one English sentence.
 *  @param code  any result of this library, or a negated errno
 *  @return a string that lives as long as the library; never NULL, also for codes that nobody knows */
KITH_API const char *kith_strerror(int code);

/** The name of a code: "KITH_EEMPTY", "EINVAL".
 *  @return a string that lives as long as the library; never NULL: "UNKNOWN" for codes that nobody knows */
KITH_API const char *kith_error_name(int code);

/** What exactly went wrong in this thread's last call that failed: names, sizes, and what to do about it. The codes
 *  that say it all leave none, and keep what was there: KITH_EEMPTY, KITH_EFULL, -ETIMEDOUT, -EINTR. (Calls on
 *  connections and listeners may have more to say of the last two.) kith_strerror has a sentence for every code.
 *  @return a sentence, or "" when the thread had no failure yet. It belongs to the thread and is overwritten by the
 *          thread's next failure. After a successful call it still tells of the failure before. */
KITH_API const char *kith_error_detail(void);

/** For functions of the program that the library calls, or that fail as its calls do: makes a sentence this thread's
 *  kith_error_detail. So a task of a pool says why it fails (kith/pool.h), to whom it was done for:
 *      return kith_fail(-errno, "%s: %s", path, strerror(errno));
 *  @param code    what to return
 *  @param format  as printf has it; beyond 255 bytes the sentence is cut
 *  @return code; errno stays as it was */
KITH_API int kith_fail(int code, const char *format, ...) KITH_PRINTF(2, 3);

/* ---- time ---- */

/** How long to wait, in nanoseconds: zero or more, or KITH_FOREVER. Other negative values give -EINVAL. The clock is
 *  the monotonic one; a wait that a spurious wake-up interrupts goes on for what is left. */
typedef int64_t kith_timeout;

#define KITH_FOREVER ((kith_timeout)-1)
#define KITH_NOWAIT ((kith_timeout)0)
/** For calls that say that they know it: as KITH_NOWAIT, and does not even wait for another caller who is just in a
 *  call: then it is -EAGAIN, and nothing is known. For a thread that holds what others must not wait for, as the lock
 *  of an interpreter. */
#define KITH_AT_ONCE ((kith_timeout)-2)
#define KITH_SECONDS(seconds) ((kith_timeout)((seconds)*1e9))
#define KITH_MS(milliseconds) ((kith_timeout)(milliseconds)*1000000)

/* ---- bytes ---- */

/** A message that the library allocated and the caller owns. Give it back with kith_bytes_free. */
typedef struct kith_bytes {
    void *data;  /**< size bytes; never NULL after success, also when size is 0 */
    size_t size; /**< in bytes */
} kith_bytes;

/** Frees the data and sets it to {NULL, 0}. NULL and {NULL, 0} are fine. */
KITH_API void kith_bytes_free(kith_bytes *bytes);

/* ---- logging ---- */

/** How much the library tells on stderr. A child inherits its parent's level. */
typedef enum kith_log_level {
    KITH_LOG_NONE = 0,    /**< nothing: the default */
    KITH_LOG_ERROR = 1,   /**< what made a call fail that the caller may not see (in a child, at exit) */
    KITH_LOG_WARNING = 2, /**< what is survivable but not right: an owner that died, a child that had to be killed */
    KITH_LOG_INFO = 3,    /**< processes that start and end */
    KITH_LOG_DEBUG = 4    /**< decisions inside: queues that grow */
} kith_log_level;

/** Logs everything up to this level to stderr, a line each: "[INFO/Process-1] message", as multiprocessing's
 * log_to_stderr does.
 *  @return 0, or -EINVAL when the level is none of kith_log_level */
KITH_API int kith_log_to_stderr(kith_log_level level);

/** Writes a line of the program's own to the same log, when the level is on. A line is one write; longer than 1,000
 *  bytes is cut. */
KITH_API void kith_log(kith_log_level level, const char *format, ...) KITH_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
