/* Keys, and what is kept for each: of dicts, sets and namespaces. Keys are cells with hashes (cell_new_key), found by
 * open addressing, and kept in the order of their coming. What is taken out leaves a hole in that order, until the
 * holes are the half; then they are closed. All zero is empty. Its memory is counted for the server. */
#ifndef KITH_SRC_MANAGER_DICTIONARY_H
#define KITH_SRC_MANAGER_DICTIONARY_H

#include "manager/cell.h"

struct entry {
    struct cell *key;  /* held; NULL: a hole */
    struct cell *item; /* held; NULL in a set */
};

struct dictionary {
    struct entry *entries; /* used of them, with the holes */
    size_t used;
    size_t capacity;
    size_t count;    /* without the holes */
    uint32_t *slots; /* 1 + a place; 0: free. Twice the capacity, a power of two. Those of holes stay */
    size_t filled;   /* slots that are not free, capacity at most */
    uint64_t closed; /* how often places have changed because holes were closed, or all was cleared */
};

/** An empty one on the heap, and its end. @return 0; -ENOMEM */
int dictionary_new(struct dictionary **dictionary);
void dictionary_free(struct server *server, struct dictionary *dictionary);

/** For snapshots: a list of its pairs, or of its keys when it has no items. @return as cell_save */
int dictionary_save(struct server *server, const struct dictionary *dictionary, kith_arena *arena, kith_value **list);

/** Makes one of such a list. @return 0; KITH_ETYPE, KITH_EMALFORMED; as cell_load */
int dictionary_load(struct server *server, const kith_value *list, bool pairs, struct dictionary **dictionary);

/** Searches. @param entry  receives it, NULL when there is none; good until the next change
 *  @return 0; KITH_ELIMIT, -ENOMEM when the keys can't be compared */
int dictionary_find(const struct dictionary *dictionary, const struct cell *key, struct entry **entry);

/** Sets what is kept for a key, whose place stays if it is there. The caller's holds become the dictionary's, or are
 *  dropped when that fails. @return 0; KITH_ELIMIT, -ENOMEM */
int dictionary_put(struct server *server, struct dictionary *dictionary, struct cell *key, struct cell *item);

/** Takes an entry out: its holds become the caller's. */
struct entry dictionary_take(struct server *server, struct dictionary *dictionary, struct entry *entry);

/** @param place  from 0; receives where to go on. @return the next entry; NULL at the end */
struct entry *dictionary_next(const struct dictionary *dictionary, size_t *place);

/** @return the entry that came last; NULL when there is none */
struct entry *dictionary_last(const struct dictionary *dictionary);

/** Puts another one, which is empty then, in the place of all that there is. */
void dictionary_replace(struct server *server, struct dictionary *dictionary, struct dictionary *by);

void dictionary_clear(struct server *server, struct dictionary *dictionary);

#endif
