/* The settings of a child: what kith_process_options says of its environment, directory, streams, limits and the like.
 *
 * They are set in the child itself, by one function however it is made, and before its main: see settings_apply. On
 * the way there they are a struct that borrows from the options (a fork), or a value that is sent (an image).
 */
#ifndef KITH_SRC_PROCESS_SETTINGS_H
#define KITH_SRC_PROCESS_SETTINGS_H

#include "process/streams.h"

#include <kith/process.h>

#include <stdbool.h>

struct settings {
    /* The environment: a whole one, which environment_make made; or changes of the one that the child has. */
    char **whole_environment;
    const char *const *environment;
    bool clean_environment;
    const char *directory; /* NULL: none of these is set */
    const kith_process_limit *limits;
    size_t limit_count;
    uint64_t max_memory;
    int nice;
    const unsigned *cpus;
    size_t cpu_count;
    int death_signal;     /* SIGKILL in a daemon; 0: none */
    bool by_first_thread; /* whether it was the parent's first thread that started it: see os_process_signal_with */
    int streams[STREAMS]; /* what become stdin, stdout and stderr: see streams.h */
};

/** Settings that change nothing. */
#define SETTINGS_NONE ((struct settings){ .streams = { STREAM_STAYS, STREAM_STAYS, STREAM_STAYS } })

/** Checks options, in the parent. @return 0; -EINVAL, or -EBADF of a stream, with a detail */
int settings_check(const kith_process_options *options);

/** The settings of a child that the calling thread is about to fork. They borrow from the options. The streams are left
 *  to the caller. @param settings  to be freed with settings_free. @return 0, or -ENOMEM with a detail */
int settings_from_options(const kith_process_options *options, struct settings *settings);

/** Frees what settings_from_options took. */
void settings_free(struct settings *settings);

/** The settings as a value, for a child that is an image. It borrows from nothing. The environment is not in it when
 *  the method is KITH_SPAWN: that of such an image is given to exec (environment_make). Nor are the streams, whose
 *  descriptors are handed over beside it (see streams.h), nor by_first_thread, which the parcel tells.
 *  @return 0, or -ENOMEM, or -EINVAL for texts that are not UTF-8, with a detail */
int settings_to_value(kith_arena *arena, const kith_process_options *options, kith_value **value);

/** The way back, in the child. The streams stay as they are, put the descriptors that came in their places; and tell
 *  by_first_thread.
 *  @param settings  lives as long as the arena does
 *  @return 0; -ENOMEM; KITH_EMALFORMED */
int settings_from_value(kith_arena *arena, const kith_value *value, struct settings *settings);

/** Whether there is something that a child can fail at: then it has to report (report.h), and its start waits. */
bool settings_any(const struct settings *settings);

/** Sets all this for the calling process, before its main. process_parent must be known.
 *  @return 0, or what the system said, with a detail that tells at what. Some of it is set then */
int settings_apply(const struct settings *settings);

#endif
