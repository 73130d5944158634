/* carry.c: see carry.h. */
#include "carry.h"

#include "error.h"
#include "waiting.h"

#include <errno.h>
#include <string.h>

#define KEPT_MAX ((size_t)4 << 20)

int memory_reserve(struct memory *memory, size_t capacity)
{
    if (capacity <= memory->capacity) {
        return 0;
    }
    size_t wanted = memory->capacity + memory->capacity / 2;
    wanted = wanted < capacity ? capacity : wanted;
    char *data = PyMem_RawRealloc(memory->data, wanted);
    if (!data) {
        PyErr_NoMemory();
        return -1;
    }
    memory->data = data;
    memory->capacity = wanted;
    return 0;
}

int memory_append(struct memory *memory, const void *data, size_t size)
{
    if (memory_reserve(memory, memory->size + size) < 0) {
        return -1;
    }
    if (size > 0) {
        memcpy(memory->data + memory->size, data, size);
    }
    memory->size += size;
    return 0;
}

void memory_free(struct memory *memory)
{
    PyMem_RawFree(memory->data);
    *memory = (struct memory){ 0 };
}

void memory_give_back(struct memory *memory)
{
    if (memory->capacity > KEPT_MAX) {
        memory_free(memory);
    }
}

/* Others wait between the reservation and the commit: so nobody waits for the GIL there. */
static int lay_call(void *context, kith_timeout timeout)
{
    const struct laying *laying = context;
    void *room;
    int code = kith_queue_reserve(laying->queue, laying->size, &room, timeout);
    if (code == 0) {
        laying->copy(laying->what, room);
        code = kith_queue_commit(laying->queue, laying->size);
    }
    return code;
}

int laying_put(struct state *state, struct laying laying)
{
    int code = laying.size <= AT_ONCE_MAX ? lay_call(&laying, KITH_AT_ONCE) : -EAGAIN;
    if (code == -EAGAIN) {
        code = wait_for(lay_call, &laying, KITH_FOREVER);
    }
    if (code < 0) {
        raise_code(state, code);
    }
    return code < 0 ? -1 : 0;
}

static int batch_put_call(void *context, kith_timeout timeout)
{
    struct batch *batch = context;
    return kith_queue_put_many(batch->queue, batch->messages, batch->count, timeout);
}

int batch_put(struct state *state, struct batch *batch, const struct memory *memory)
{
    const char *data = memory->data;
    for (unsigned i = 0; i < batch->count; i++) {
        batch->messages[i].data = data;
        data += batch->messages[i].size;
    }
    int put = memory->size < AT_ONCE_MAX ? batch_put_call(batch, KITH_AT_ONCE) : -EAGAIN;
    if (put == -EAGAIN) {
        put = wait_for(batch_put_call, batch, KITH_FOREVER);
    }
    if (put < 0) {
        raise_code(state, put);
        return -1;
    }
    return put;
}

static int batch_get_call(void *context, kith_timeout timeout)
{
    struct getting *getting = context;
    return kith_queue_get_many(getting->queue, getting->memory->data, getting->room, getting->sizes, getting->most,
                               timeout);
}

int batch_get(struct state *state, struct getting *getting)
{
    if (memory_reserve(getting->memory, AT_ONCE_MAX) < 0) {
        return -1;
    }
    for (;;) {
        getting->room = AT_ONCE_MAX;
        int got = batch_get_call(getting, KITH_AT_ONCE);
        if (got == KITH_EEMPTY || got == -EAGAIN || got == -EMSGSIZE) {
            getting->room = getting->memory->capacity;
            got = wait_for(batch_get_call, getting, KITH_FOREVER);
        }
        if (got >= 0) {
            return got;
        }
        if (got == -EMSGSIZE) {
            if (memory_reserve(getting->memory, getting->sizes[0]) < 0) {
                return -1;
            }
        } else if (got == KITH_ECLOSED && !PyErr_Occurred()) {
            return 0;
        } else {
            raise_code(state, got);
            return -1;
        }
    }
}
