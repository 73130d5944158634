/* The registry of entry points: a list that only grows. It is filled by constructors, before main as a rule; but a
 * library may be loaded by any thread at any time, and forks may happen meanwhile: so there is no lock, and a record is
 * whole before it is on the list. */
#include "process/entry.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* The newest. Written by kith_entry_register with release, read by whoever goes through the list, with acquire. */
static kith_entry_record *_Atomic newest;

static kith_entry_record *first_look(void)
{
    return atomic_load_explicit(&newest, memory_order_acquire);
}

static bool is_registered(const kith_entry_record *record)
{
    const kith_entry_record *known = first_look();
    while (known && known != record)
        known = known->next;
    return known;
}

void kith_entry_register(kith_entry_record *record)
{
    if (!record || !record->name || !record->function || is_registered(record))
        return;
    record->next = first_look();
    while (!atomic_compare_exchange_weak_explicit(&newest, &record->next, record, memory_order_release,
                                                  memory_order_acquire))
        continue;
}

/* The last match is the one that was registered first. */
kith_entry *entry_find(const char *name)
{
    kith_entry *found = NULL;
    for (const kith_entry_record *record = first_look(); record; record = record->next) {
        if (strcmp(record->name, name) == 0)
            found = record->function;
    }
    return found;
}

const char *entry_name(kith_entry *function)
{
    for (const kith_entry_record *record = first_look(); record; record = record->next) {
        if (record->function == function && entry_find(record->name) == function)
            return record->name;
    }
    return NULL;
}
