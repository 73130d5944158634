/* The environment of a child. */
#ifndef KITH_SRC_PROCESS_ENVIRONMENT_H
#define KITH_SRC_PROCESS_ENVIRONMENT_H

#include <stdbool.h>

/** Makes a whole environment of this process's own, with changes. It takes no lock of the C library's.
 *  @param changes  as in kith_process_options; NULL: none
 *  @param clean    not to begin with this process's own, but with nothing
 *  @param whole    receives it, for exec or environment_use: one piece of memory, to be freed with free. What is not
 *                  changed in it are the strings of this process's own
 *  @return 0 or -ENOMEM, without a detail */
int environment_make(const char *const *changes, bool clean, char ***whole);

/** Makes it that of this process, which must have one thread. It must live as long as the process. */
void environment_use(char **whole);

#endif
