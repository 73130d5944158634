/* The entry points that this program has registered: what a fresh image of it finds by name. */
#ifndef KITH_SRC_PROCESS_ENTRY_H
#define KITH_SRC_PROCESS_ENTRY_H

#include <kith/entry.h>

/** Under which name a fresh image finds a function. @return the name, which lives as long as the program; NULL when it
 *  does not: nobody has registered it, or another one had taken its name before */
const char *entry_name(kith_entry *function);

/** The same, of one that an image is to be called with. @return 0, or -EINVAL with a detail; as entry_check */
int entry_for_image(kith_entry *entry, const kith_value *args, const char **name);

/** Checks what an entry point is to be called with. @return 0, or -EINVAL with a detail */
int entry_check(kith_entry *entry, const kith_value *args);

/** The same of the arguments alone: a tuple. */
int entry_check_args(const kith_value *args);

/** The entry point of that name. @return NULL when there is none */
kith_entry *entry_find(const char *name);

#endif
