/* bench/reason.h: why a run failed or could not be: the first reason that any of its processes gave. */
#ifndef BENCH_REASON_H
#define BENCH_REASON_H

#ifdef __cplusplus
extern "C" {
#endif

/** Must be called once, before the first fork. @return 0, or -1 with errno */
int reason_init(void);

/** Keeps the reason, unless there is one already.
 *  @param code  what to return: FAILED or CANNOT
 *  @return code */
int because(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The same for a call that set errno: "<what>: <strerror(errno)>". @return FAILED */
int because_errno(const char *what);

/** @return the reason kept, or "" */
const char *reason(void);

#ifdef __cplusplus
}
#endif

#endif
