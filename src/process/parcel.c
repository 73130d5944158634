#include "process/parcel.h"

#include "base/error.h"
#include "base/log.h"
#include "os/memory.h"
#include "os/process.h"
#include "process/begin.h"
#include "process/children.h"
#include "process/entry.h"
#include "process/forks.h"
#include "process/life.h"
#include "process/report.h"
#include "process/self.h"

#include <kith/codec.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the file: the gate, the birth, the pickles ---- */

struct birth {
    _Alignas(8) pid_t child; /* 0: not yet. The kernel, for the forkserver; read by the parent when that is dead */
};

enum { BIRTH_AT = GATE_SIZE, PICKLES_AT = BIRTH_AT + sizeof(struct birth) };

static struct birth *birth_in(void *memory)
{
    return (struct birth *)(void *)((char *)memory + BIRTH_AT);
}

/* ---- packing ---- */

/* Bytes and not a str, since names need not be UTF-8; with the NUL byte, so that they need no copy. */
static kith_value *text(kith_arena *arena, const char *text)
{
    return text ? kith_value_bytes(arena, text, strlen(text) + 1) : kith_value_none(arena);
}

static kith_value *names_of(kith_arena *arena, const kith_process_options *options)
{
    kith_value *names = kith_value_list(arena);
    for (size_t i = 0; i < options->fd_count; i++)
        kith_value_append(names, text(arena, options->fds[i].name));
    return names;
}

/* Which of the descriptors becomes which stream: the next one, or STREAM_STAYS, STREAM_AS_STDOUT. */
static kith_value *streams_of(kith_arena *arena, const struct kith_process *child)
{
    kith_value *streams[STREAMS];
    for (int i = 0; i < STREAMS; i++)
        streams[i] = kith_value_int(arena, child->streams.child[i] < 0 ? child->streams.child[i] : 0);
    return kith_value_tuple(arena, streams, STREAMS);
}

/* What read_plan takes apart. */
static int write_plan(kith_bytes *plan, const struct kith_process *child, const struct errand *errand)
{
    kith_arena *arena = NULL;
    kith_value *settings = NULL;
    int code = kith_arena_new(&arena);
    if (code == 0)
        code = settings_to_value(arena, errand->options, &settings);
    const kith_process_options *options = errand->options;
    const char *title = options->name ? options->name : begin_title();
    kith_value *value = kith_value_pack(arena, "(v,v,v,v,b,i,v,v,v,v)", text(arena, errand->entry),
                                        text(arena, child->name), text(arena, child->path), text(arena, title),
                                        options->daemon, (int)process_self->pid, text(arena, record_name(process_self)),
                                        streams_of(arena, child), names_of(arena, options), settings);
    if (code == 0)
        code = value ? kith_pickle_write(value, plan, NULL) : kith_arena_error(arena);
    kith_arena_free(arena);
    return code;
}

/* Leaves the first page mapped, where the gate is. */
static int fill_file(void **gate, int file, const kith_bytes *plan, const kith_bytes *args)
{
    void *memory;
    size_t page = os_page_size(), size = PICKLES_AT + plan->size + args->size;
    int code = os_memory_back(file, 0, size);
    if (code == 0)
        code = os_memory_map(&memory, file, 0, size);
    if (code < 0)
        return error_fail(code, "no memory for what a child is told, %zu bytes", size);
    char *bytes = memory;
    memcpy(bytes + PICKLES_AT, plan->data, plan->size);
    memcpy(bytes + PICKLES_AT + plan->size, args->data, args->size);
    if (size > page)
        os_memory_unmap(bytes + page, size - page);
    *gate = memory;
    return 0;
}

void parcel_forget(struct parcel *parcel)
{
    if (parcel->gate)
        os_memory_unmap(parcel->gate, os_page_size());
    parcel->gate = NULL;
}

static int pack_file(struct parcel *parcel, struct kith_process *child, const struct errand *errand)
{
    kith_bytes plan = { NULL, 0 }, args = { NULL, 0 };
    int code = kith_pickle_write(errand->args, &args, NULL);
    if (code == 0)
        code = write_plan(&plan, child, errand);
    if (code == 0 && (code = children_pack_file(child, "kith-parcel")) < 0)
        error_fail(code, "no file of memory for what a child is told: %s", kith_strerror(code));
    if (code == 0)
        code = fill_file(&parcel->gate, child->luggage[LUGGAGE_FILE], &plan, &args);
    parcel->head.plan_size = plan.size;
    parcel->head.args_size = args.size;
    kith_bytes_free(&plan);
    kith_bytes_free(&args);
    return code;
}

_Static_assert(PARCEL_KNOWN + 1 + STREAMS + KITH_PROCESS_FDS_MAX <= OS_PACKET_DESCRIPTORS, "all have room");

int parcel_pack(struct parcel *parcel, struct kith_process *child, const struct errand *errand)
{
    parcel->head = (struct parcel_head){
        .format = PARCEL_FORMAT,
        .log_level = (int32_t)log_level(),
        .by_first_thread = os_process_in_first_thread(),
        .reports = child->report[1] >= 0,
    };
    parcel->gate = NULL;
    int code = pack_file(parcel, child, errand);
    if (code < 0)
        return code;
    child->gate = gate_in(parcel->gate);
    parcel->descriptors[PARCEL_FILE] = child->luggage[LUGGAGE_FILE];
    parcel->descriptors[PARCEL_PARENT] = process_self->sentinel;
    parcel->count = PARCEL_KNOWN;
    if (child->report[1] >= 0)
        parcel->descriptors[parcel->count++] = child->report[1];
    for (int i = 0; i < STREAMS; i++) {
        if (child->streams.child[i] >= 0)
            parcel->descriptors[parcel->count++] = child->streams.child[i];
    }
    for (size_t i = 0; i < errand->options->fd_count; i++)
        parcel->descriptors[parcel->count++] = errand->options->fds[i].fd;
    return 0;
}

int parcel_send(const struct parcel *parcel, int socket)
{
    return os_packet_send(socket, &parcel->head, sizeof parcel->head, parcel->descriptors, parcel->count);
}

/* ---- unpacking ---- */

int parcel_receive(struct parcel *parcel, int socket)
{
    ptrdiff_t size = os_packet_receive(socket, &parcel->head, sizeof parcel->head, parcel->descriptors, &parcel->count);
    if (size == sizeof parcel->head && memcmp(parcel->head.format, PARCEL_FORMAT, sizeof PARCEL_FORMAT) == 0 &&
        parcel->count >= PARCEL_KNOWN)
        return 1;
    parcel_discard(parcel);
    return size > 0 ? KITH_ELAYOUT : (int)size;
}

void parcel_discard(struct parcel *parcel)
{
    for (size_t i = 0; i < parcel->count; i++)
        close(parcel->descriptors[i]);
    parcel->count = 0;
}

/* ---- the child that is made of it ---- */

pid_t parcel_fork(const struct parcel *parcel)
{
    void *memory;
    int code = os_memory_map(&memory, parcel->descriptors[PARCEL_FILE], 0, PICKLES_AT);
    if (code < 0)
        return code;
    birth_in(memory)->child = 0; /* so that the page is there, and the kernel can write to it though we are killed */
    pid_t pid = forks_sibling(&birth_in(memory)->child);
    os_memory_unmap(memory, PICKLES_AT);
    return pid;
}

pid_t parcel_made(const struct parcel *parcel)
{
    return birth_in(parcel->gate)->child;
}

/* What is being made of a parcel. All of it lives as long as the process. */
struct unpacking {
    const struct parcel *parcel;
    size_t taken; /* how many of the descriptors have found their place */
    kith_arena *arena;
    struct kith_process *child;
    struct kith_process *parent;
    struct life *life;
};

static int set_text(char **name, const void *text)
{
    *name = text ? strdup(text) : NULL;
    return text && !*name ? -ENOMEM : 0;
}

static int take_descriptor(struct unpacking *to)
{
    return to->taken < to->parcel->count ? to->parcel->descriptors[to->taken++] : KITH_EMALFORMED;
}

static int take_streams(struct unpacking *to, const kith_value *streams)
{
    struct streams *taken = &to->child->streams;
    int code = kith_value_unpack(streams, "(i,i,i)", &taken->child[0], &taken->child[1], &taken->child[2]);
    for (int i = 0; code == 0 && i < STREAMS; i++) {
        if (taken->child[i] < 0)
            continue;
        taken->child[i] = take_descriptor(to);
        taken->ours[i] = true;
        code = taken->child[i] < 0 ? taken->child[i] : 0;
    }
    return code;
}

static int take_fds(struct unpacking *to, const kith_value *names)
{
    struct kith_call *call = &to->life->call;
    call->fd_count = kith_value_length(names);
    kith_process_fd *fds = calloc(call->fd_count + 1, sizeof *fds);
    if (!fds)
        return -ENOMEM;
    call->fds = fds;
    int code = 0;
    for (size_t i = 0; code == 0 && i < call->fd_count; i++) {
        const void *name;
        size_t size;
        code = kith_value_unpack(kith_value_at(names, i), "y", &name, &size);
        fds[i] = (kith_process_fd){ name, take_descriptor(to) };
    }
    return code < 0 || to->taken == to->parcel->count ? code : KITH_EMALFORMED;
}

static int read_plan(struct unpacking *to, const kith_value *plan, const char **entry)
{
    const void *name, *path = NULL, *title, *parent_name;
    kith_value *streams, *names, *settings;
    size_t size;
    int daemon;
    int code =
        kith_value_unpack(plan, "(y,y,y?,y,b,i,y,v,v,v)", (const void **)entry, &size, &name, &size, &path, &size,
                          &title, &size, &daemon, &to->parent->pid, &parent_name, &size, &streams, &names, &settings);
    if (code < 0)
        return code;
    to->child->daemon = daemon;
    to->life->title = title;
    code = set_text(&to->child->name, name);
    if (code == 0)
        code = set_text(&to->child->path, path);
    if (code == 0)
        code = set_text(&to->parent->name, parent_name);
    if (code == 0)
        code = take_streams(to, streams);
    if (code == 0)
        code = take_fds(to, names);
    if (code == 0)
        code = settings_from_value(to->arena, settings, &to->life->settings);
    to->life->settings.by_first_thread = to->parcel->head.by_first_thread;
    return code;
}

/* The arguments may be nested as deep as could be written, and their bytes stay where they are. */
static int read_pickle(kith_arena *arena, kith_value **value, const void *data, uint64_t size)
{
    kith_pickle_read_options options = { .max_depth = KITH_VALUE_DEPTH_MAX, .borrow = 1 };
    return kith_pickle_read(arena, value, data, (size_t)size, &options);
}

/* The memory stays mapped: the arguments lie in it. */
static int unpack(struct unpacking *to)
{
    const struct parcel_head *head = &to->parcel->head;
    void *memory;
    kith_value *plan;
    const char *entry;
    int code =
        os_memory_map(&memory, to->parcel->descriptors[PARCEL_FILE], 0, PICKLES_AT + head->plan_size + head->args_size);
    const char *pickles = (char *)memory + PICKLES_AT;
    close(to->parcel->descriptors[PARCEL_FILE]);
    if (code == 0) {
        to->child->gate = gate_in(memory);
        code = kith_arena_new(&to->arena);
    }
    if (code == 0)
        code = read_pickle(to->arena, &plan, pickles, head->plan_size);
    if (code == 0)
        code = read_plan(to, plan, &entry);
    if (code == 0)
        code = read_pickle(to->arena, &to->life->call.args, pickles + head->plan_size, head->args_size);
    if (code < 0)
        return error_fail(code, "can't read what this process is to be: %s", kith_strerror(code));
    to->life->entry = entry_find(entry);
    if (!to->life->entry)
        return error_fail(-EINVAL, "no entry point %s is registered when kith_begin is called", entry);
    return 0;
}

static _Noreturn void fail(const struct unpacking *to, int code)
{
    kith_log(KITH_LOG_ERROR, "%s", kith_error_detail());
    if (to->parcel->head.reports)
        report_send(to->parcel->descriptors[PARCEL_KNOWN], code);
    _Exit(EXIT_FAILURE);
}

_Noreturn void parcel_live(const struct parcel *parcel)
{
    static struct unpacking to; /* static: so that nobody takes for lost what it has */
    struct life life = { .call.attempt = 1, .settings = SETTINGS_NONE };
    kith_log_to_stderr((kith_log_level)parcel->head.log_level);
    to = (struct unpacking){
        .parcel = parcel,
        .taken = PARCEL_KNOWN,
        .child = record_new(),
        .parent = record_new(),
        .life = &life,
    };
    if (!to.child || !to.parent)
        fail(&to, error_fail(-ENOMEM, "no memory for this process's record"));
    to.parent->sentinel = parcel->descriptors[PARCEL_PARENT];
    if (parcel->head.reports)
        to.child->report[1] = take_descriptor(&to);
    int code = unpack(&to);
    if (code < 0)
        fail(&to, code);
    forks_become(to.child, to.parent);
    life_lead(&life);
}
