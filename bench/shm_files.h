/* bench/shm_files.h: what libraries leave in /dev/shm when their processes are killed. */
#ifndef BENCH_SHM_FILES_H
#define BENCH_SHM_FILES_H

#ifdef __cplusplus
extern "C" {
#endif

/** Removes the shared memory objects that have this in their names. */
void shm_remove(const char *part);

#ifdef __cplusplus
}
#endif

#endif
