/* The log inside the library. */
#ifndef KITH_SRC_BASE_LOG_H
#define KITH_SRC_BASE_LOG_H

#include <kith/base.h>

/** Names this process in the lines it logs from now on. The name is copied and cut to 63 bytes. Not thread-safe: called
 *  where a process begins, before it has threads. */
void log_name_process(const char *name);

/** Up to which level is logged. */
kith_log_level log_level(void);

#endif
