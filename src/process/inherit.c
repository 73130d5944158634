#include "process/inherit.h"

#include "process/forks.h"

static struct heirloom *first;

void inherit_add(struct heirloom *heirloom)
{
    heirloom->next = first;
    heirloom->link = &first;
    if (first)
        first->link = &heirloom->next;
    first = heirloom;
}

void inherit_remove(struct heirloom *heirloom)
{
    *heirloom->link = heirloom->next;
    if (heirloom->next)
        heirloom->next->link = heirloom->link;
}

bool inherit_knows(const struct kith_connection *owner)
{
    forks_block();
    const struct heirloom *heirloom = first;
    while (heirloom && heirloom->owner != owner)
        heirloom = heirloom->next;
    forks_allow();
    return heirloom;
}

static bool contains(struct kith_connection *const *kept, size_t count, const struct kith_connection *owner)
{
    for (size_t i = 0; i < count; i++) {
        if (kept[i] == owner)
            return true;
    }
    return false;
}

void inherit_only(struct kith_connection *const *kept, size_t count)
{
    forks_block();
    struct heirloom *next;
    for (struct heirloom *heirloom = first; heirloom; heirloom = next) {
        next = heirloom->next;
        if (!contains(kept, count, heirloom->owner)) {
            inherit_remove(heirloom);
            heirloom->drop(heirloom->owner);
        }
    }
    forks_allow();
}
