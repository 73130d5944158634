#include "process/inherit.h"

#include "process/forks.h"

static struct heirloom *first;

void inherit_add(struct heirloom *heirloom)
{
    heirloom->next = first;
    first = heirloom;
}

void inherit_remove(struct heirloom *heirloom)
{
    struct heirloom **link = &first;
    while (*link != heirloom)
        link = &(*link)->next;
    *link = heirloom->next;
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
    struct heirloom **link = &first;
    while (*link) {
        struct heirloom *heirloom = *link;
        if (contains(kept, count, heirloom->owner)) {
            link = &heirloom->next;
        } else {
            *link = heirloom->next;
            heirloom->drop(heirloom->owner);
        }
    }
    forks_allow();
}
