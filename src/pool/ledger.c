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
    for (uint32_t ticket = 0; ticket < ledger->fresh; ticket++)
        free(ledger->entries[ticket].many);
    free(ledger->entries);
    ledger_begin(ledger);
}

/* ---- entries ---- */

/** @return a ticket; LEDGER_NONE when there is no memory */
static uint32_t take_entry(struct ledger *ledger)
{
    uint32_t ticket = ledger->free;
    if (ticket != LEDGER_NONE) {
        ledger->free = ledger->entries[ticket].next;
    } else {
        if (ledger->fresh == ledger->capacity) {
            uint32_t capacity = ledger->capacity ? ledger->capacity * 2 : 64;
            struct entry *entries = realloc(ledger->entries, capacity * sizeof *entries);
            if (!entries)
                return LEDGER_NONE;
            ledger->entries = entries;
            ledger->capacity = capacity;
        }
        ticket = ledger->fresh++;
    }
    ledger->entries[ticket] = (struct entry){ 0 };
    ledger->used++;
    return ticket;
}

static void give_entry(struct ledger *ledger, uint32_t ticket)
{
    struct entry *entry = &ledger->entries[ticket];
    free(entry->many);
    *entry = (struct entry){ .next = ledger->free };
    ledger->free = ticket;
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

/** One of its tasks has ended. */
static void end_item(struct kith_pool *pool, struct entry *entry, uint32_t item, const struct ending *ending)
{
    uint64_t *bits = entry->many ? &entry->many[item / 64] : &entry->few;
    *bits |= (uint64_t)1 << item % 64;
    entry->left--;
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

/** No worker has it any more, and none of its tasks is left. */
static void release(struct kith_pool *pool, uint32_t ticket)
{
    struct entry *entry = &pool->ledger.entries[ticket];
    pool->ledger.unread -= entry->given_up;
    store_release(pool->store, entry->place);
    give_entry(&pool->ledger, ticket);
}

static uint32_t ticket_of(const struct ledger *ledger, uint64_t place)
{
    for (uint32_t ticket = 0; ticket < ledger->fresh; ticket++) {
        if (ledger->entries[ticket].place == place)
            return ticket;
    }
    return LEDGER_NONE;
}

const struct entry *ledger_find(const struct ledger *ledger, uint64_t place, uint32_t *hint)
{
    if (*hint >= ledger->fresh || ledger->entries[*hint].place != place)
        *hint = ticket_of(ledger, place);
    return *hint != LEDGER_NONE && ledger->entries[*hint].left > 0 ? &ledger->entries[*hint] : NULL;
}

/* ---- into the ring ---- */

static void hand_out(struct kith_pool *pool, uint32_t ticket)
{
    struct ledger *ledger = &pool->ledger;
    if (ledger->parked == LEDGER_NONE && board_hand_out(&pool->board, entry->place)) {
        ledger->uncalled++;
        return;
    }
    uint32_t index = (uint32_t)(entry - ledger->entries);
    entry->next = LEDGER_NONE;
    if (ledger->parked == LEDGER_NONE)
        ledger->parked = ticket;
    else
        ledger->entries[ledger->parked_last].next = ticket;
    ledger->parked_last = ticket;
}

void ledger_unpark(struct kith_pool *pool)
{
    struct ledger *ledger = &pool->ledger;
    while (ledger->parked != LEDGER_NONE) {
        uint32_t ticket = ledger->parked;
        struct entry *entry = &ledger->entries[ticket];
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

static void write_chunk(struct kith_pool *pool, uint32_t ticket, const struct load *load)
{
    const struct entry *entry = &pool->ledger.entries[ticket];
    const struct kith_result *result = entry->result;
    struct chunk *chunk = board_chunk(&pool->board, entry->place);
    atomic_init(&chunk->state, CHUNK_WAITING);
    atomic_init(&chunk->give_up, 0);
    chunk->ticket = ticket;
    chunk->count = entry->count;
    chunk->attempt = entry->attempt;
    chunk->name_size = (uint32_t)name_size(result);
    chunk->function = result->work;
    if (result->name)
        memcpy(chunk + 1, result->name, chunk->name_size);
    memcpy((void *)(uintptr_t)chunk_items(chunk), load->data, load->size);
}

/** Puts tasks on their way, for the first time or once more. @return 0, or a code with its detail */
static int enter(struct kith_pool *pool, struct kith_result *result, size_t first, const struct load *load,
                 uint32_t attempt)
{
    struct ledger *ledger = &pool->ledger;
    uint32_t ticket = take_entry(ledger);
    if (ticket == LEDGER_NONE)
        return error_fail(-ENOMEM, "no memory to write a task down");
    struct entry *entry = &ledger->entries[ticket];
    entry->result = result;
    entry->first = first;
    entry->count = entry->left = load->count;
    entry->attempt = attempt;
    entry->size = sizeof(struct chunk) + ((name_size(result) + 7) & ~(size_t)7) + load->size;
    int code = note_none(entry) ? store_allocate(pool->store, entry->size, &entry->place)
                                : error_fail(-ENOMEM, "no memory to write %u tasks down", load->count);
    if (code < 0) {
        give_entry(ledger, ticket);
        return code;
    }
    write_chunk(pool, ticket, load);
    hand_out(pool, ticket);
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

static void stop_lingering(struct kith_pool *pool, struct worker *worker)
{
    if (worker->lingering != LEDGER_NONE)
        release(pool, worker->lingering);
    worker->lingering = LEDGER_NONE;
}

void ledger_tidy(struct kith_pool *pool, struct worker *worker, uint64_t at)
{
    if (worker->lingering != LEDGER_NONE && pool->ledger.entries[worker->lingering].place != at)
        stop_lingering(pool, worker);
}

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

void ledger_report(struct kith_pool *pool, struct worker *worker, const struct report *report, size_t size, bool owned)
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
    }
    if (known && entry->left == 0)
        worker->lingering = report->ticket;
    if (owned)
        free((void *)(uintptr_t)report);
}

/* ---- what a dead worker leaves behind ---- */

/** The bytes of an item of a chunk, with what is before them.
 *  @return where; NULL when what lies there can't be: the dead one has written over it */
static const unsigned char *find_item(const struct chunk *chunk, const struct entry *entry, uint32_t index,
                                      size_t *size)
{
    const unsigned char *end = (const unsigned char *)chunk + entry->size;
    const unsigned char *at = (const unsigned char *)chunk_items(chunk);
    for (uint32_t i = 0; at < end; i++) {
        const struct item *item = (const void *)at;
        size_t left = (size_t)(end - at);
        if (left < sizeof *item || item->size > left - sizeof *item)
            return NULL;
        *size = (size_t)((const unsigned char *)item_next(item) - at);
        if (*size > left)
            return NULL;
        if (i == index)
            return at;
        at += *size;
    }
    return NULL;
}

/** Makes the entry, and its chunk, of the tasks from index on.
 *  @return false when that can't be: nothing has changed */
static bool shorten(struct kith_pool *pool, struct entry *entry, uint32_t index)
{
    struct chunk *chunk = board_chunk(&pool->board, entry->place);
    size_t size;
    const unsigned char *from = find_item(chunk, entry, index, &size);
    if (!from)
        return false;
    uint32_t count = entry->count - index;
    unsigned char *to = (unsigned char *)(uintptr_t)chunk_items(chunk);
    size_t cut = (size_t)(from - to);
    memmove(to, from, (size_t)((unsigned char *)chunk + entry->size - from));
    entry->size -= cut;
    entry->first += index;
    entry->count = entry->left = count;
    if (count <= 64) {
        free(entry->many);
        entry->many = NULL;
        entry->few = 0;
    } else {
        memset(entry->many, 0, (count + 63) / 64 * sizeof *entry->many);
    }
    return true;
}

/** Puts the tasks of a chunk that is nobody's into the ring again, as they lie there. */
static void hand_out_again(struct kith_pool *pool, uint32_t ticket)
{
    const struct entry *entry = &pool->ledger.entries[ticket];
    struct chunk *chunk = board_chunk(&pool->board, entry->place);
    chunk->ticket = ticket;
    chunk->count = entry->count;
    chunk->attempt = entry->attempt;
    atomic_store_explicit(&chunk->give_up, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->state, CHUNK_WAITING, memory_order_relaxed);
    hand_out(pool, ticket);
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

/** Has the one task begin again, by a chunk of its own. @return whether it could be had */
static bool try_again(struct kith_pool *pool, uint32_t ticket, uint32_t item)
{
    struct entry *entry = &pool->ledger.entries[ticket];
    size_t size;
    const unsigned char *at = find_item(board_chunk(&pool->board, entry->place), entry, item, &size);
    if (!at || enter(pool, entry->result, entry->first + item, &(struct load){ at, size, 1 }, entry->attempt + 1) < 0)
        return false;
    /* From here on it is the new one's. The table may have moved. */
    entry = &pool->ledger.entries[ticket];
    uint64_t *bits = entry->many ? &entry->many[item / 64] : &entry->few;
    *bits |= (uint64_t)1 << item % 64;
    entry->left--;
    pool->stats.retried++;
    return true;
}

/** The task that the worker was at when it ended, and any before it whose report never came. */
static void settle_begun(struct kith_pool *pool, uint32_t ticket, uint32_t begun, const struct worker *worker,
                         const struct fate *fate)
{
    for (uint32_t item = 0; item < begun; item++) {
        struct entry *entry = &pool->ledger.entries[ticket];
        if (entry->left == 0)
            return;
        const struct kith_result *result = entry->result;
        if (entry_ended(entry, item))
            continue;
        if (entry->attempt > result->retries || result->cancelled || !try_again(pool, ticket, item))
            end_lost(pool, &pool->ledger.entries[ticket], item, worker, fate);
    }
}

/** Those that it had not begun. */
static void settle_rest(struct kith_pool *pool, uint32_t ticket, uint32_t begun)
{
    struct entry *entry = &pool->ledger.entries[ticket];
    if (entry->left == 0) {
        release(pool, ticket);
    } else if (!entry->result->cancelled && shorten(pool, entry, begun)) {
        hand_out_again(pool, ticket);
    } else {
        struct ending ending = { .code = -ECANCELED };
        if (!entry->result->cancelled) {
            ending.code = KITH_EWORKERLOST;
            ending.detail = "the worker that had the task wrote over it before it ended";
            ending.lasting = true;
        }
        end_items(pool, entry, begun, &ending);
        release(pool, ticket);
    }
}

void ledger_bury(struct kith_pool *pool, struct worker *worker, uint64_t place, uint32_t item, const struct fate *fate)
{
    stop_lingering(pool, worker);
    uint32_t ticket = place ? ticket_of(&pool->ledger, place) : LEDGER_NONE;
    if (ticket == LEDGER_NONE)
        return;
    uint32_t count = pool->ledger.entries[ticket].count;
    uint32_t begun = item == DESK_NO_ITEM ? 0 : item < count ? item + 1 : count;
    settle_begun(pool, ticket, begun, worker, fate);
    settle_rest(pool, ticket, begun);
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
    pool->ledger.unread++;
    return true;
}

bool ledger_cancel(struct kith_pool *pool, struct kith_result *result)
{
    bool some = false;
    struct ledger *ledger = &pool->ledger;
    for (uint32_t ticket = 0; ticket < ledger->fresh; ticket++) {
        struct entry *entry = &ledger->entries[ticket];
        if (entry->place == 0 || entry->left == 0 || entry->result != result)
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
    for (uint32_t ticket = 0; ticket < ledger->fresh; ticket++) {
        struct entry *entry = &ledger->entries[ticket];
        if (entry->place == 0 || entry->left == 0)
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
