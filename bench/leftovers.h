/* bench/leftovers.h: what libraries leave behind when their processes are killed, and how it goes. */
#ifndef BENCH_LEFTOVERS_H
#define BENCH_LEFTOVERS_H

#ifdef __cplusplus
extern "C" {
#endif

/** Removes the shared memory objects that have this in their names. */
void remove_shared_memory(const char *part);

/** Removes a folder with all that is in it. */
void remove_folder(const char *path);

#ifdef __cplusplus
}
#endif

#endif
