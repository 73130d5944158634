/* bench/report.h: results as JSON, one line each, on stdout. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "measure.h"

/** The transports, the locks, and what bench was built with. */
void report_about(void);

/** Why there is no result: {"cannot": ...} or {"failed": ...}. @param code  CANNOT or FAILED */
void report_none(int code);

void report_throughput(const struct throughput *result);
void report_latency(const struct latency *result);
void report_memory(const struct memory *result);
void report_lock(const struct lock_rate *result);

#endif
