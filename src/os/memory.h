/* Memory that processes share. */
#ifndef KITH_SRC_OS_MEMORY_H
#define KITH_SRC_OS_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/** The size of a page, in bytes. */
size_t os_page_size(void);

/** Makes an anonymous file of memory, of length 0, closed on exec.
 *  @param label  shown in /proc, for people
 *  @return its descriptor, or -EMFILE, -ENFILE, -ENOMEM */
int os_memory_file(const char *label);

/** Gives a part of the file real memory, zeroed where it had none, and makes the file long enough. What was there
 * stays.
 *  @param offset, size  in bytes; the file gets no longer than that, its memory comes in pages
 *  @return 0; -ENOMEM, -ENOSPC; -EFBIG where the process's file size limit forbids it (without SIGXFSZ) */
int os_memory_back(int file, uint64_t offset, uint64_t size);

/** Gives a part's memory back to the system: it reads as zeros from then on. Failure is harmless: the memory stays. */
void os_memory_punch(int file, uint64_t offset, uint64_t size);

/** Maps a part of the file, for reading and writing. @return 0, -ENOMEM */
int os_memory_map(void **address, int file, uint64_t offset, size_t size);

/** The same, for reading alone. */
int os_memory_map_to_read(const void **address, int file, uint64_t offset, size_t size);

/** Maps memory of its own, zeroed, that this process and all its descendants have in common.
 *  @return 0, -ENOMEM */
int os_memory_share(void **address, size_t size);

/** Undoes any of the mappings. @param size the whole length, in bytes */
void os_memory_unmap(const void *address, size_t size);

#endif
