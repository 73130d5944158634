#include "process/settings.h"

#include "base/error.h"
#include "os/process.h"
#include "os/settings.h"
#include "os/stream.h"
#include "process/environment.h"
#include "process/self.h"
#include "value/arena.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- in the parent: are they well-formed? ---- */

static const char *const stream_names[STREAMS] = { "stdin", "stdout", "stderr" };

static int check_environment(const char *const *environment)
{
    for (; environment && *environment; environment++) {
        if (**environment == '\0' || **environment == '=')
            return error_fail(-EINVAL,
                              "environment has \"%s\", which begins with no name: give \"NAME=value\" or \"NAME\"",
                              *environment);
    }
    return 0;
}

static int check_stream(const kith_stdio *stdio, int which)
{
    switch (stdio->kind) {
    case KITH_STDIO_INHERIT:
    case KITH_STDIO_PIPE:
    case KITH_STDIO_NULL:
        return 0;
    case KITH_STDIO_FD:
        return os_stream_is_open(stdio->fd)
                   ? 0
                   : error_fail(-EBADF, "descriptor %d for %s is not open", stdio->fd, stream_names[which]);
    case KITH_STDIO_STDOUT:
        return which == STDERR_FILENO
                   ? 0
                   : error_fail(-EINVAL, "KITH_STDIO_STDOUT is for stderr, not for %s", stream_names[which]);
    }
    return error_fail(-EINVAL, "%d is no kind of stream for %s", (int)stdio->kind, stream_names[which]);
}

static int check_limits(const kith_process_options *options)
{
    if (!options->limits && options->limit_count)
        return error_fail(-EINVAL, "limits is NULL, but limit_count is %zu", options->limit_count);
    for (size_t i = 0; i < options->limit_count; i++) {
        const kith_process_limit *limit = &options->limits[i];
        if (!os_limit_is_known(limit->resource))
            return error_fail(-EINVAL, "limits[%zu] is of resource %d, which this system does not have", i,
                              limit->resource);
        if (limit->soft > limit->hard)
            return error_fail(-EINVAL, "limits[%zu] has a soft limit of %llu, above its hard one of %llu", i,
                              (unsigned long long)limit->soft, (unsigned long long)limit->hard);
        if (options->max_memory && os_limit_is_of_memory(limit->resource))
            return error_fail(-EINVAL, "limits[%zu] is what max_memory sets: give one of the two", i);
    }
    return 0;
}

static int check_cpus(const kith_process_options *options)
{
    if (!options->cpus && options->cpu_count)
        return error_fail(-EINVAL, "cpus is NULL, but cpu_count is %zu", options->cpu_count);
    if (options->cpus && !options->cpu_count)
        return error_fail(-EINVAL, "cpu_count is 0: a child needs a CPU to run on; cpus NULL leaves it all");
    for (size_t i = 0; i < options->cpu_count; i++) {
        if (options->cpus[i] >= OS_CPUS_MAX)
            return error_fail(-EINVAL, "cpus[%zu] is %u: no system has that many", i, options->cpus[i]);
    }
    return 0;
}

static int check_numbers(const kith_process_options *options)
{
    if (options->nice < -40 || options->nice > 39)
        return error_fail(-EINVAL, "nice is %d: give -40 to 39", options->nice);
    if (options->death_signal < 0 || options->death_signal > os_signal_max())
        return error_fail(-EINVAL, "death_signal is %d: give 1 to %d, or 0 for none", options->death_signal,
                          os_signal_max());
    return 0;
}

int settings_check(const kith_process_options *options)
{
    int code = check_environment(options->environment);
    for (int i = 0; options->stdio && code == 0 && i < STREAMS; i++)
        code = check_stream(&options->stdio[i], i);
    if (code == 0)
        code = check_limits(options);
    if (code == 0)
        code = check_cpus(options);
    if (code == 0)
        code = check_numbers(options);
    return code;
}

/* ---- on their way ---- */

static int death_signal(const kith_process_options *options)
{
    return options->daemon ? SIGKILL : options->death_signal;
}

static bool changes_environment(const kith_process_options *options)
{
    return options->clean_environment || (options->environment && *options->environment);
}

int settings_from_options(const kith_process_options *options, struct settings *settings)
{
    *settings = (struct settings){
        .directory = options->directory,
        .limits = options->limits,
        .limit_count = options->limit_count,
        .max_memory = options->max_memory,
        .nice = options->nice,
        .cpus = options->cpus,
        .cpu_count = options->cpu_count,
        .death_signal = death_signal(options),
        .by_first_thread = death_signal(options) && os_process_in_first_thread(),
        .streams = { STREAM_STAYS, STREAM_STAYS, STREAM_STAYS },
    };
    if (!changes_environment(options))
        return 0;
    int code = environment_make(options->environment, options->clean_environment, &settings->whole_environment);
    return code < 0 ? error_fail(code, "no memory for a child's environment") : 0;
}

void settings_free(struct settings *settings)
{
    free(settings->whole_environment);
    settings->whole_environment = NULL;
}

/* Bytes and not a str, since paths and the like need not be UTF-8; with the NUL byte, so that they need no copy. */
static kith_value *text_value(kith_arena *arena, const char *text)
{
    return text ? kith_value_bytes(arena, text, strlen(text) + 1) : kith_value_none(arena);
}

static kith_value *environment_value(kith_arena *arena, const kith_process_options *options)
{
    if (options->method == KITH_SPAWN || !changes_environment(options))
        return kith_value_none(arena);
    kith_value *list = kith_value_list(arena);
    for (const char *const *change = options->environment; change && *change; change++)
        kith_value_append(list, text_value(arena, *change));
    return list;
}

/* Environment and whether it is clean, directory, limits, memory, niceness, CPUs, death signal. */
#define FORMAT "(v,b, v, y, U, i, y, i)"

int settings_to_value(kith_arena *arena, const kith_process_options *options, kith_value **value)
{
    bool clean = options->clean_environment && options->method != KITH_SPAWN;
    kith_value *made = kith_value_pack(
        arena, FORMAT, environment_value(arena, options), (int)clean, text_value(arena, options->directory),
        (const void *)options->limits, options->limit_count * sizeof *options->limits, options->max_memory,
        options->nice, (const void *)options->cpus, options->cpu_count * sizeof *options->cpus, death_signal(options));
    if (!made)
        return kith_arena_error(arena);
    *value = made;
    return 0;
}

static int malformed(void)
{
    return error_fail(KITH_EMALFORMED, "the settings of this process are malformed");
}

static int text_of(const kith_value *value, const char **text)
{
    const void *data;
    size_t size;
    if (kith_value_kind(value) == KITH_NONE) {
        *text = NULL;
        return 0;
    }
    if (kith_value_as_bytes(value, &data, &size) < 0 || size == 0 || ((const char *)data)[size - 1] != '\0')
        return malformed();
    *text = data;
    return 0;
}

static int environment_of(kith_arena *arena, const kith_value *list, const char *const **environment)
{
    if (kith_value_kind(list) == KITH_NONE)
        return 0;
    size_t count = kith_value_length(list);
    const char **changes = arena_take(arena, (count + 1) * sizeof *changes);
    if (!changes)
        return kith_arena_error(arena);
    for (size_t i = 0; i < count; i++) {
        int code = text_of(kith_value_at(list, i), &changes[i]);
        if (code < 0)
            return code;
    }
    changes[count] = NULL;
    *environment = changes;
    return 0;
}

/* Copied to where an array may lie. */
static int array_of(kith_arena *arena, const void *bytes, size_t size, size_t element, const void **array,
                    size_t *count)
{
    if (size % element != 0)
        return malformed();
    *array = size ? arena_copy(arena, bytes, size) : NULL;
    *count = size / element;
    return size && !*array ? kith_arena_error(arena) : 0;
}

int settings_from_value(kith_arena *arena, const kith_value *value, struct settings *settings)
{
    struct settings read = SETTINGS_NONE;
    kith_value *environment, *directory;
    const void *limits, *cpus;
    size_t limits_size, cpus_size;
    int clean;
    if (kith_value_unpack(value, FORMAT, &environment, &clean, &directory, &limits, &limits_size, &read.max_memory,
                          &read.nice, &cpus, &cpus_size, &read.death_signal) < 0)
        return malformed();
    read.clean_environment = clean;
    int code = environment_of(arena, environment, &read.environment);
    if (code == 0)
        code = text_of(directory, &read.directory);
    if (code == 0)
        code =
            array_of(arena, limits, limits_size, sizeof *read.limits, (const void **)&read.limits, &read.limit_count);
    if (code == 0)
        code = array_of(arena, cpus, cpus_size, sizeof *read.cpus, (const void **)&read.cpus, &read.cpu_count);
    if (code == 0)
        *settings = read;
    return code;
}

/* ---- in the child ---- */

static bool changes_streams(const struct settings *settings)
{
    for (int i = 0; i < STREAMS; i++) {
        if (settings->streams[i] != STREAM_STAYS)
            return true;
    }
    return false;
}

static bool needs_thread(const struct settings *settings)
{
    return settings->death_signal && os_process_signal_needs_thread(settings->by_first_thread);
}

bool settings_any(const struct settings *settings)
{
    return settings->environment || settings->clean_environment || settings->directory || settings->limit_count ||
           settings->max_memory || settings->nice || settings->cpu_count || needs_thread(settings) ||
           changes_streams(settings);
}

static int apply_environment(const struct settings *settings)
{
    char **whole = settings->whole_environment;
    if (!whole && (settings->environment || settings->clean_environment) &&
        environment_make(settings->environment, settings->clean_environment, &whole) < 0)
        return error_fail(-ENOMEM, "environment: no memory for it");
    if (whole)
        environment_use(whole);
    return 0;
}

/* One of the descriptors may itself be where another stream goes: such ones are moved out of the way before. */
static int move_away(int from[STREAMS], bool moved[STREAMS])
{
    for (int i = 0; i < STREAMS; i++) {
        if (from[i] < 0 || from[i] >= STREAMS || from[i] == i)
            continue;
        int copy = os_stream_copy(from[i]);
        if (copy < 0)
            return error_fail(copy, "%s: descriptor %d can't be copied: %s", stream_names[i], from[i],
                              kith_strerror(copy));
        from[i] = copy;
        moved[i] = true;
    }
    return 0;
}

static int place(int descriptor, int stream)
{
    int code = os_stream_place(descriptor, stream);
    return code < 0 ? error_fail(code, "%s: descriptor %d can't be put there: %s", stream_names[stream], descriptor,
                                 kith_strerror(code))
                    : 0;
}

static int apply_streams(const struct settings *settings)
{
    int from[STREAMS];
    bool moved[STREAMS] = { false };
    memcpy(from, settings->streams, sizeof from);
    int code = move_away(from, moved);
    for (int i = 0; code == 0 && i < STREAMS; i++) {
        if (from[i] >= 0)
            code = place(from[i], i);
        else if (from[i] == STREAM_AS_STDOUT)
            code = place(STDOUT_FILENO, i);
    }
    for (int i = 0; i < STREAMS; i++) {
        if (moved[i])
            close(from[i]);
    }
    if (code == 0 && settings->streams[STDIN_FILENO] != STREAM_STAYS)
        os_stream_forget_stdin();
    return code;
}

static int apply_directory(const struct settings *settings)
{
    int code = settings->directory ? os_set_directory(settings->directory) : 0;
    return code < 0 ? error_fail(code, "directory: can't go to \"%s\": %s", settings->directory, kith_strerror(code))
                    : 0;
}

static int apply_nice(const struct settings *settings)
{
    int code = settings->nice ? os_set_niceness(settings->nice) : 0;
    return code < 0 ? error_fail(code, "nice: %d is not allowed: %s", settings->nice, kith_strerror(code)) : 0;
}

static int apply_cpus(const struct settings *settings)
{
    int code = settings->cpu_count ? os_set_cpus(settings->cpus, settings->cpu_count) : 0;
    return code < 0 ? error_fail(code, "cpus: the system gives none of the %zu: %s", settings->cpu_count,
                                 kith_strerror(code))
                    : 0;
}

static int apply_death_signal(const struct settings *settings)
{
    const struct os_process_other parent = { .sentinel = process_parent->sentinel,
                                             .id = process_parent->pid,
                                             .is_parent = true };
    int code =
        settings->death_signal ? os_process_signal_with(&parent, settings->by_first_thread, settings->death_signal) : 0;
    return code < 0 ? error_fail(code, "%s: no thread to watch the parent with: %s",
                                 settings->death_signal == SIGKILL ? "daemon" : "death_signal", kith_strerror(code))
                    : 0;
}

static int apply_limits(const struct settings *settings)
{
    for (size_t i = 0; i < settings->limit_count; i++) {
        const kith_process_limit *limit = &settings->limits[i];
        int code = os_set_limit(limit->resource, limit->soft, limit->hard);
        if (code < 0)
            return error_fail(code, "limits[%zu] of resource %d: %llu and %llu are not allowed: %s", i, limit->resource,
                              (unsigned long long)limit->soft, (unsigned long long)limit->hard, kith_strerror(code));
    }
    return 0;
}

static int apply_max_memory(const struct settings *settings)
{
    int code = settings->max_memory ? os_cap_memory(settings->max_memory) : 0;
    return code < 0 ? error_fail(code, "max_memory: %s", kith_strerror(code)) : 0;
}

/* The limits come last: the others need descriptors and memory. The thread that death_signal may take is to run where
 * cpus says. */
static int (*const steps[])(const struct settings *) = {
    apply_environment, apply_streams,      apply_directory, apply_nice,
    apply_cpus,        apply_death_signal, apply_limits,    apply_max_memory,
};

int settings_apply(const struct settings *settings)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof steps / sizeof *steps; i++)
        code = steps[i](settings);
    return code;
}
