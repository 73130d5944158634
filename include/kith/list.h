/* kith/list.h: a list of a fixed length, of numbers, texts and bytes, that C and Python programs share.
 *
 * It is CPython's multiprocessing.shared_memory.ShareableList, in CPython's own layout: what ShareableList(items,
 * name=...) made can be opened here, and ShareableList(name=...) opens what was made here. In Python 3.8 the layout was
 * another one; such lists can be opened, too. New ones have that of 3.9 and later, which 3.8 does not know.
 *
 * An item's place is as long as the item that was there at first: 8 bytes for a number, a truth value or nothing; for a
 * text or bytes, the next multiple of 8 above their length. What is set later has to fit.
 *
 * As CPython has it:
 *  - The lengths of texts and bytes are not kept: NUL bytes at their end are lost.
 *  - It has no lock. Who sets an item while others use it needs one of his own; an item that was being set by a process
 *    that was killed may be of the one type and hold the bytes of the other. Other items are whole.
 *  - It always has a name, or here a descriptor. It is a segment (kith/memory.h): the name stays until it is unlinked,
 *    and before 3.13 CPython unlinks it when a program that attached to it ends, unless told otherwise.
 *  - CPython fills a new list after it has given it its name, so who opens it by name just then may see some of it.
 *    What is made here appears as a whole.
 *  - CPython measures the place for a text by its characters, not by its bytes: one that has others than ASCII's may be
 *    cut off at the end when CPython makes the list, even in the middle of a character. Here it is measured in bytes.
 */
#ifndef KITH_LIST_H
#define KITH_LIST_H

#include <kith/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A list. The handle belongs to the process; the list to all that have it. */
typedef struct kith_list kith_list;

/** The longest text, or bytes, in bytes. */
#define KITH_LIST_ITEM_MAX 9999991

/** What an item is. */
typedef enum kith_list_type {
    KITH_LIST_NONE = 0,  /**< nothing; Python's None */
    KITH_LIST_BOOL = 1,  /**< a truth value */
    KITH_LIST_INT = 2,   /**< a number; Python's int, of 64 bits at most */
    KITH_LIST_FLOAT = 3, /**< a number; Python's float */
    KITH_LIST_STR = 4,   /**< a text in UTF-8 */
    KITH_LIST_BYTES = 5  /**< bytes */
} kith_list_type;

/** An item. Of the members below the type, those count that belong to it. */
typedef struct kith_list_item {
    kith_list_type type;
    int boolean;      /**< KITH_LIST_BOOL: 0 is false */
    int64_t integer;  /**< KITH_LIST_INT */
    double real;      /**< KITH_LIST_FLOAT */
    const void *data; /**< KITH_LIST_STR, KITH_LIST_BYTES; may be NULL when size is 0 */
    size_t size;      /**< its length in bytes, at most KITH_LIST_ITEM_MAX. No NUL is needed at the end */
} kith_list_item;

/** Makes a list that has no name, for children and those to whom kith_list_share_fd hands it.
 *  @param list   receives it; free it with kith_list_free
 *  @param items  what it holds; copied. May be NULL when count is 0
 *  @param count  how many
 *  @return 0; -EINVAL when list is NULL, items is NULL and count is not 0, or an item is of no known type or has NULL
 *          for data; -EILSEQ when a text is not in UTF-8; -EMSGSIZE when an item is longer than KITH_LIST_ITEM_MAX;
 *          -ENOMEM or -ENOSPC when there is not so much memory; -EFBIG, -EMFILE, -ENFILE as for kith_segment_new */
KITH_API KITH_MUST_USE int kith_list_new(kith_list **list, const kith_list_item *items, size_t count);

/** Makes or opens a list that has a name.
 *  @param list   receives it; free it with kith_list_free
 *  @param name   as for kith_segment_open; NULL with KITH_CREATE makes one up, which kith_list_name tells
 *  @param how    as for kith_segment_open
 *  @param items, count  of a new list, as for kith_list_new. For one that is found they are not used
 *  @return 0, or as kith_list_new and kith_segment_open say; -EINVAL also when what is found is no list */
KITH_API KITH_MUST_USE int kith_list_open(kith_list **list, const char *name, kith_open how,
                                          const kith_list_item *items, size_t count);

/** Takes a list's name away; those who have it keep it. @return as kith_segment_unlink */
KITH_API int kith_list_unlink(const char *name);

/** The descriptor that stands for the list, closed on exec. It is the list's own: do not close it.
 *  @return the descriptor; -EINVAL when list is NULL */
KITH_API int kith_list_share_fd(const kith_list *list);

/** Takes the list that a descriptor stands for.
 *  @param list  receives it; free it with kith_list_free
 *  @param fd    of kith_list_share_fd, or of a segment that holds a list. It stays the caller's
 *  @return 0; -EINVAL when there is no list, or list is NULL; else as kith_segment_from_fd */
KITH_API KITH_MUST_USE int kith_list_from_fd(kith_list **list, int fd);

/** @return the name under which this handle was opened; it lives as long as the handle. NULL when it has none */
KITH_API const char *kith_list_name(const kith_list *list);

/** @return how many items it has; 0 when list is NULL */
KITH_API size_t kith_list_length(const kith_list *list);

/** Gets a copy of an item.
 *  @param list   a list
 *  @param index  0 for the first
 *  @param item   receives it. The data of a text or of bytes is the caller's, ends with a NUL that size does not count,
 *                and is freed with kith_list_item_free; other items need not be
 *  @return 0; -EINVAL when an argument is NULL or the list has no such item; -EBADMSG when there is nothing that
 *          CPython or kith writes: the item is just being set, or was overwritten; -ENOMEM */
KITH_API KITH_MUST_USE int kith_list_get(const kith_list *list, size_t index, kith_list_item *item);

/** Sets an item, to one of the same type or of another.
 *  @param list   a list
 *  @param index  0 for the first
 *  @param item   copied
 *  @return 0; -EMSGSIZE when it does not fit into its place; -EINVAL when an argument is NULL, the list has no such
 *          item, or the new one is of no known type or has NULL for data; -EILSEQ when a text is not in UTF-8 */
KITH_API KITH_MUST_USE int kith_list_set(kith_list *list, size_t index, const kith_list_item *item);

/** Counts the items that equal one, as Python compares: numbers by value, whatever their types (1, 1.0 and true are
 *  equal), texts with texts, bytes with bytes.
 *  @param count  receives how many they are
 *  @return 0; -EINVAL when an argument is NULL; -EBADMSG as for kith_list_get; for what no list can hold, as for
 *          kith_list_set */
KITH_API KITH_MUST_USE int kith_list_count(const kith_list *list, const kith_list_item *item, size_t *count);

/** Finds the first item that equals one, as kith_list_count compares.
 *  @param index  receives where it is
 *  @return 0; -ENOENT when there is none; else as for kith_list_count */
KITH_API KITH_MUST_USE int kith_list_index(const kith_list *list, const kith_list_item *item, size_t *index);

/** Frees what kith_list_get allocated, and makes the item KITH_LIST_NONE. NULL, and items of other types, are fine. */
KITH_API void kith_list_item_free(kith_list_item *item);

/** Gives this process's handle back. Others keep theirs, and the name stays. NULL is fine. */
KITH_API void kith_list_free(kith_list *list);

#ifdef __cplusplus
}
#endif

#endif
