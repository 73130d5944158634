/* The ledger. What it must be exact about is whose a task is: it is begun once, whoever dies at whatever instruction.
 *
 * A worker reads nothing of a chunk after the report on its last task, nor of one that it has said it dropped: then the
 * chunk's memory is free again. A worker that dies leaves a ticket, and the item that it had begun last. Its outbox is
 * empty by then; so of the items up to that one, those without a report are lost, and those behind were not begun. */
#include "pool/ledger.h"

#include "pool/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ledger_begin(struct ledger *ledger)
{
    *ledger = (struct ledger){ .free = LEDGER_NONE, .parked = LEDGER_NONE, .parked_last = LEDGER_NONE };
}

void ledger_end(struct ledger *ledger)
{
    for (uint32_t index = 0; index < ledger->fresh; index++)
        free(ledger->entries[index].many);
    free(ledger->entries);
    ledger_begin(ledger);
}

/* ---- entries ---- */

/* A ticket: which entry it is, and a number that never comes again. */
enum { INDEX_BITS = 24 };
_Static_assert(4 * PENDING_MAX < 1 << INDEX_BITS, "a ticket has room for the index");

static uint64_t new_ticket(struct ledger *ledger, uint32_t index)
{
    return ++ledger->serial << INDEX_BITS | index;
}

static uint32_t index_of(uint64_t ticket)
{
    return ticket & ((1 << INDEX_BITS) - 1);
}

/** @return its index; LEDGER_NONE when there is no memory */
static uint32_t take_entry(struct ledger *ledger)
{
    uint32_t index = ledger->free;
    if (index != LEDGER_NONE) {
        ledger->free = ledger->entries[index].next;
    } else {
        if (ledger->fresh == ledger->capacity) {
            uint32_t capacity = ledger->capacity ? ledger->capacity * 2 : 64;
            struct entry *entries = realloc(ledger->entries, capacity * sizeof *entries);
            if (!entries)
                return LEDGER_NONE;
            ledger->entries = entries;
            ledger->capacity = capacity;
        }
        index = ledger->fresh++;
    }
    ledger->entries[index] = (struct entry){ .ticket = new_ticket(ledger, index) };
    ledger->used++;
    return index;
}

static void give_entry(struct ledger *ledger, struct entry *entry)
{
    free(entry->many);
    *entry = (struct entry){ .next = ledger->free };
    ledger->free = (uint32_t)(entry - ledger->entries);
    ledger->used--;
}

/** @return whether there was memory to note which of its tasks have ended */
static bool note_none(struct entry *entry)
{
    entry->few = 0;
    free(entry->many);
    entry->many = entry->count > 64 ? calloc((entry->count + 63) / 64, sizeof *entry->many) : NULL;
    return entry->many || entry->count <= 64;
}

bool entry_ended(const struct entry *entry, uint32_t item)
{
    const uint64_t *bits = entry->many ? &entry->many[item / 64] : &entry->few;
    return *bits >> item % 64 & 1;
}

static void note_ended(struct entry *entry, uint32_t item)
{
    uint64_t *bits = entry->many ? &entry->many[item / 64] : &entry->few;
    *bits |= (uint64_t)1 << item % 64;
    entry->left--;
}

/** One of its tasks has ended. */
static void end_item(struct kith_pool *pool, struct entry *entry, uint32_t item, const struct ending *ending)
{
    note_ended(entry, item);
    pool_task_ended(pool, entry->result);
    result_end(entry->result, entry->first + item, ending);
}

static void end_items(struct kith_pool *pool, struct entry *entry, uint32_t from, const struct ending *ending)
{
    for (uint32_t item = from; item < entry->count && entry->left > 0; item++) {
        if (!entry_ended(entry, item))
            end_item(pool, entry, item, ending);
    }
}

/** No worker reads it any more, and none of its tasks is left. */
static void release(struct kith_pool *pool, struct entry *entry)
{
    pool->ledger.dead -= entry->given_up;
    store_release(pool->store, entry->place);
    give_entry(&pool->ledger, entry);
}

static struct entry *find(const struct ledger *ledger, uint64_t ticket)
{
    uint32_t index = index_of(ticket);
    bool known = ticket != 0 && index < ledger->fresh && ledger->entries[index].ticket == ticket;
    return known ? &ledger->entries[index] : NULL;
}

struct entry *ledger_find(const struct ledger *ledger, uint64_t ticket)
{
    struct entry *entry = find(ledger, ticket);
    return entry && entry->left > 0 ? entry : NULL;
}

/* ---- into the ring ---- */

static void hand_out(struct kith_pool *pool, struct entry *entry)
{
    struct ledger *ledger = &pool->ledger;
    if (ledger->parked == LEDGER_NONE && board_hand_out(&pool->board, entry->place)) {
        ledger->uncalled++;
        return;
    }
    uint32_t index = (uint32_t)(entry - ledger->entries);
    entry->next = LEDGER_NONE;
    if (ledger->parked == LEDGER_NONE)
        ledger->parked = index;
    else
        ledger->entries[ledger->parked_last].next = index;
    ledger->parked_last = index;
}

void ledger_unpark(struct kith_pool *pool)
{
    struct ledger *ledger = &pool->ledger;
    while (ledger->parked != LEDGER_NONE) {
        struct entry *entry = &ledger->entries[ledger->parked];
        uint32_t next = entry->next;
        if (entry->left == 0)
            release(pool, entry);
        else if (board_hand_out(&pool->board, entry->place))
            ledger->uncalled++;
        else
            break;
        ledger->parked = next;
    }
    ledger_call(pool);
}

void ledger_call(struct kith_pool *pool)
{
    if (pool->ledger.uncalled == 0)
        return;
    board_call(&pool->board, pool->ledger.uncalled);
    pool->ledger.uncalled = 0;
    keeper_note_task(pool);
}

static size_t name_size(const struct kith_result *result)
{
    return result->name ? strlen(result->name) + 1 : 0;
}

/** Writes what is before a chunk's items. */
static struct chunk *write_head(struct kith_pool *pool, const struct entry *entry)
{
    const struct kith_result *result = entry->result;
    struct chunk *chunk = board_chunk(&pool->board, entry->place);
    *chunk = (struct chunk){
        .state = CHUNK_WAITING,
        .ticket = entry->ticket,
        .count = entry->count,
        .attempt = entry->attempt,
        .function = result->work,
        .name_size = (uint32_t)name_size(result),
    };
    if (result->name)
        memcpy(chunk_name(chunk), result->name, chunk->name_size);
    return chunk;
}

/** Puts tasks on their way, for the first time or once more. @return 0, or a code with its detail */
static int enter(struct kith_pool *pool, struct kith_result *result, size_t first, const struct load *load,
                 uint32_t attempt)
{
    struct ledger *ledger = &pool->ledger;
    uint32_t index = take_entry(ledger);
    if (index == LEDGER_NONE)
        return error_fail(-ENOMEM, "no memory to write a task down");
    struct entry *entry = &ledger->entries[index];
    entry->result = result;
    entry->first = first;
    entry->count = entry->left = load->count;
    entry->attempt = attempt;
    entry->size = sizeof(struct chunk) + chunk_padded(name_size(result)) + load->size;
    int code = note_none(entry) ? store_allocate(pool->store, entry->size, &entry->place)
                                : error_fail(-ENOMEM, "no memory to write %u tasks down", load->count);
    if (code < 0) {
        give_entry(ledger, entry);
        return code;
    }
    memcpy(chunk_items(write_head(pool, entry)), load->data, load->size);
    hand_out(pool, entry);
    return 0;
}

int ledger_enter(struct kith_pool *pool, struct kith_result *result, size_t first, const struct load *load)
{
    int code = enter(pool, result, first, load, 1);
    if (code == 0)
        pool_tasks_came(pool, result, load->count);
    return code;
}

/* ---- reports ---- */

/** Ends the task that the report is on. */
static void take_report(struct kith_pool *pool, const struct worker *worker, struct entry *entry,
                        const struct report *report, size_t size, bool owned)
{
    struct ending ending = {
        .report = report,
        .size = size,
        .owned = owned,
        .worker = worker->pid,
        .attempts = entry->attempt,
    };
    if (report->kind == REPORT_CANCELLED) {
        ending.worker = entry->attempt > 1 ? worker->pid : 0;
        ending.attempts = entry->attempt - 1;
    }
    pool->stats.failed += report->kind == REPORT_FAILED;
    end_item(pool, entry, report->item, &ending);
}

/** Whether it is the first report on a task of the entry. */
static bool is_due(const struct entry *entry, const struct report *report)
{
    return report->kind >= REPORT_VALUE && report->kind <= REPORT_CANCELLED && entry->left > 0 &&
           report->item < entry->count && !entry_ended(entry, report->item);
}

void ledger_report(struct kith_pool *pool, const struct worker *worker, const struct report *report, size_t size,
                   bool owned)
{
    struct entry *entry = find(&pool->ledger, report->ticket);
    if (entry && report->kind == REPORT_DROPPED && entry->left == 0) {
        release(pool, entry);
    } else if (entry && is_due(entry, report)) {
        take_report(pool, worker, entry, report, size, owned);
        owned = false;
        if (entry->left == 0)
            release(pool, entry);
    }
    if (owned)
        free((void *)(uintptr_t)report);
}

/* ---- what a dead worker leaves behind ---- */

/** The bytes of an item of a chunk, with what is before them.
 *  @return where; NULL when what lies there can't be: the dead one has written over it */
static unsigned char *find_item(struct kith_pool *pool, const struct entry *entry, uint32_t index, size_t *size)
{
    unsigned char *chunk = (unsigned char *)board_chunk(&pool->board, entry->place);
    size_t at = sizeof(struct chunk) + chunk_padded(name_size(entry->result));
    for (uint32_t i = 0; at < entry->size; i++) {
        const struct item *item = (const void *)(chunk + at);
        size_t left = entry->size - at;
        if (left < sizeof *item || item->size > left - sizeof *item)
            return NULL;
        *size = sizeof *item + chunk_padded(item->size);
        if (i == index)
            return chunk + at;
        at += *size;
    }
    return NULL;
}

/** Makes the entry, and its chunk, which is nobody's, one of the tasks from index on; under a new ticket.
 *  @return false when that can't be: nothing has changed */
static bool shorten(struct kith_pool *pool, struct entry *entry, uint32_t index)
{
    size_t size;
    const unsigned char *from = find_item(pool, entry, index, &size);
    if (!from)
        return false;
    unsigned char *chunk = (unsigned char *)board_chunk(&pool->board, entry->place);
    size_t head = sizeof(struct chunk) + chunk_padded(name_size(entry->result));
    size_t length = entry->size - (size_t)(from - chunk);
    memmove(chunk + head, from, length);
    entry->size = head + length;
    entry->first += index;
    entry->count = entry->left = entry->count - index;
    entry->ticket = new_ticket(&pool->ledger, (uint32_t)(entry - pool->ledger.entries));
    entry->few = 0;
    if (entry->many)
        memset(entry->many, 0, (entry->count + 63) / 64 * sizeof *entry->many);
    write_head(pool, entry);
    return true;
}

static void end_lost(struct kith_pool *pool, struct entry *entry, uint32_t item, const struct worker *worker,
                     const struct fate *fate)
{
    char detail[256];
    size_t number = entry->first + item;
    if (fate->code == KITH_EOVERTIME)
        snprintf(detail, sizeof detail, "task %zu exceeded its time limit of %g s: %s", number,
                 (double)entry->result->limit / 1e9, fate->how);
    else
        snprintf(detail, sizeof detail, "task %zu was lost: %s", number, fate->how);
    struct ending ending = {
        .code = fate->code,
        .exit_code = fate->exit_code,
        .detail = detail,
        .worker = worker->pid,
        .attempts = entry->attempt,
    };
    if (fate->code == KITH_EOVERTIME)
        pool->stats.timed_out++;
    else
        pool->stats.lost++;
    end_item(pool, entry, item, &ending);
}

/** Has a task begin again, by a chunk of its own. The table may move. @return whether it could be had */
static bool try_again(struct kith_pool *pool, struct entry *entry, uint32_t item)
{
    uint32_t index = (uint32_t)(entry - pool->ledger.entries);
    size_t size;
    const unsigned char *at = find_item(pool, entry, item, &size);
    if (!at || enter(pool, entry->result, entry->first + item, &(struct load){ at, size, 1 }, entry->attempt + 1) < 0)
        return false;
    note_ended(&pool->ledger.entries[index], item);
    pool->stats.retried++;
    return true;
}

/** The task that the worker was at when it ended, and any before it whose report never came. */
static void settle_begun(struct kith_pool *pool, uint32_t index, uint32_t begun, const struct worker *worker,
                         const struct fate *fate)
{
    for (uint32_t item = 0; item < begun; item++) {
        struct entry *entry = &pool->ledger.entries[index];
        if (entry->left == 0)
            return;
        if (entry_ended(entry, item))
            continue;
        bool again = entry->attempt <= entry->result->retries && !entry->result->cancelled;
        if (!again || !try_again(pool, entry, item))
            end_lost(pool, &pool->ledger.entries[index], item, worker, fate);
    }
}

/** Those that it had not begun. */
static void settle_rest(struct kith_pool *pool, struct entry *entry, uint32_t begun)
{
    if (entry->left > 0 && !entry->result->cancelled && shorten(pool, entry, begun)) {
        hand_out(pool, entry);
        return;
    }
    if (entry->left > 0 && entry->result->cancelled)
        end_items(pool, entry, begun, &(struct ending){ .code = -ECANCELED, .attempts = entry->attempt - 1 });
    else
        end_items(pool, entry, begun,
                  &(struct ending){ .code = KITH_EWORKERLOST,
                                    .detail = "the worker that had the task wrote over its memory before it ended",
                                    .lasting = true });
    release(pool, entry);
}

void ledger_bury(struct kith_pool *pool, const struct worker *worker, const struct board_sight *sight,
                 const struct fate *fate)
{
    struct entry *entry = find(&pool->ledger, sight->ticket);
    if (!entry)
        return;
    uint32_t index = (uint32_t)(entry - pool->ledger.entries);
    uint32_t begun = sight->item == BOARD_NO_ITEM ? 0 : sight->item < entry->count ? sight->item + 1 : entry->count;
    settle_begun(pool, index, begun, worker, fate);
    settle_rest(pool, &pool->ledger.entries[index], begun);
}

/* ---- giving up ---- */

/** @return whether no worker has begun it, nor ever will */
static bool stop_chunk(struct kith_pool *pool, struct entry *entry)
{
    struct chunk *chunk = board_chunk(&pool->board, entry->place);
    uint32_t expected = CHUNK_WAITING;
    atomic_store_explicit(&chunk->give_up, 1, memory_order_relaxed);
    if (!atomic_compare_exchange_strong_explicit(&chunk->state, &expected, CHUNK_CANCELLED, memory_order_acq_rel,
                                                 memory_order_acquire))
        return false;
    entry->given_up = true;
    pool->ledger.dead++;
    return true;
}

bool ledger_cancel(struct kith_pool *pool, struct kith_result *result)
{
    bool some = false;
    struct ledger *ledger = &pool->ledger;
    for (uint32_t index = 0; index < ledger->fresh; index++) {
        struct entry *entry = &ledger->entries[index];
        if (entry->ticket == 0 || entry->left == 0 || entry->result != result)
            continue;
        if (stop_chunk(pool, entry)) {
            end_items(pool, entry, 0, &(struct ending){ .code = -ECANCELED, .attempts = entry->attempt - 1 });
            some = true;
        } else {
            some = some || entry->left > 1;
        }
    }
    return some;
}

void ledger_sweep(struct kith_pool *pool, int code, const char *detail)
{
    struct ledger *ledger = &pool->ledger;
    for (uint32_t index = 0; index < ledger->fresh; index++) {
        struct entry *entry = &ledger->entries[index];
        if (entry->ticket == 0 || entry->left == 0)
            continue;
        bool begun = !stop_chunk(pool, entry);
        struct ending ending = {
            .code = code,
            .detail = detail,
            .lasting = true,
            .attempts = entry->attempt - !begun,
        };
        end_items(pool, entry, 0, &ending);
    }
}
