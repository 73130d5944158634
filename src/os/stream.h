/* Descriptors that are to become the standard streams of a process. None that is made here is 0, 1 or 2 itself, and all
 * are closed on exec. */
#ifndef KITH_SRC_OS_STREAM_H
#define KITH_SRC_OS_STREAM_H

#include <stdbool.h>
#include <stdio.h>

/** Makes a pipe: [0] is for reading. @return 0, -EMFILE, -ENFILE */
int os_stream_pipe(int ends[2]);

/** Opens the file that is empty and takes everything. @return a descriptor; -EMFILE, -ENFILE, -ENOMEM; -ENOENT, -EACCES
 *  where the system has none */
int os_stream_null(void);

/** Moves a descriptor away that was just opened and is 0, 1 or 2, as happens in programs that were begun without
 *  streams: else what they print would go there. It is closed on exec then.
 *  @param descriptor  -1: it could not be opened, as errno tells
 *  @return it, or the new one; or a negated errno */
int os_stream_clear(int descriptor);

/** The same, of two. @return 0; a negated errno, and none of them is left open */
int os_stream_clear_both(const int made[2], int ends[2]);

/** A second descriptor of the same. @return it; -EMFILE, -EBADF */
int os_stream_copy(int descriptor);

/** Whether a descriptor is open. */
bool os_stream_is_open(int descriptor);

/** Puts a copy of a descriptor in the place of another one; this one is not closed on exec.
 *  @return 0; -EBADF */
int os_stream_place(int descriptor, int place);

/** Writes out what is left in a stream's buffer. Unlike fflush it touches nothing, not even its lock, when there is
 *  nothing: around a fork, each page that is written to is copied. */
void os_stream_flush(FILE *stream);

/** Forgets what was read of stdin beforehand, when it is another one now. */
void os_stream_forget_stdin(void);

#endif
