/* The registry of entry points: a list that only grows. It is filled by constructors, before main as a rule; but a
 * library may be loaded by any thread at any time, and forks may happen meanwhile: so there is no lock, and a record is
 * whole before it is on the list. */
#include "process/entry.h"

#include "base/error.h"

#include <errno.h>
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

int entry_check_args(const kith_value *args)
{
    if (!args)
        return error_refuse_null("args is NULL: give KITH_NO_ARGS for none", "; when kith_value_pack gave it: ");
    if (kith_value_kind(args) != KITH_TUPLE)
        return error_fail(-EINVAL, "args is a value of kind %s: give a tuple", kith_kind_name(kith_value_kind(args)));
    return 0;
}

int entry_check(kith_entry *entry, const kith_value *args)
{
    if (!entry)
        return error_fail(-EINVAL, "entry is NULL: give a function that KITH_ENTRY has made");
    return entry_check_args(args);
}

int entry_for_image(kith_entry *entry, const kith_value *args, const char **name)
{
    int code = entry_check(entry, args);
    if (code < 0)
        return code;
    *name = entry_name(entry);
    return *name ? 0 : error_fail(-EINVAL, "a fresh image would not find this function: make it with KITH_ENTRY");
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
