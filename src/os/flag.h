/* A flag that can be polled: readable while it is raised. */
#ifndef KITH_SRC_OS_FLAG_H
#define KITH_SRC_OS_FLAG_H

#include <stdbool.h>

/** Makes one that is lowered. Closed on exec. @return its descriptor, or -EMFILE, -ENFILE, -ENOMEM */
int os_flag_new(void);

/** @return false when this is no descriptor (any more) */
bool os_flag_raise(int flag);

void os_flag_lower(int flag);

#endif
