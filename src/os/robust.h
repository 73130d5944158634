/* Words that the kernel cleans up after a death.
 *
 * Linux keeps, for each thread, a list of the futex words that it owns (get_robust_list(2), and
 * Documentation/locking/robust-futexes.rst of the kernel). When the thread ends, in whatever way, the kernel walks the
 * list; in each word that still carries the thread's id it replaces the id by ROBUST_DIED, and wakes one waiter if the
 * word has ROBUST_WAITERS. Beside the list there is one slot, "pending", for the word that the thread is just acquiring
 * or releasing. It is treated like the list, and more: when the word in it carries no id at all, the kernel wakes one
 * waiter. So a thread that was woken, or was about to wake another, and dies first, hands the wake-up on.
 *
 * There is but one list a thread, and the C library has it for its robust mutexes. We share it: same list, and entries
 * of the same shape at the same distance from their words (glibc's pthread_mutex_t: the word at 0, the list's prev and
 * next pointers at 24 and 32).
 *
 * A thread may use the slot or the list only between its own calls, never in a signal handler.
 */
#ifndef KITH_SRC_OS_ROBUST_H
#define KITH_SRC_OS_ROBUST_H

#include "os/thread.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define ROBUST_OWNER 0x3fffffffu   /* the owner's thread id; 0: nobody */
#define ROBUST_DIED 0x40000000u    /* the owner died; set by the kernel, cleared by the next owner */
#define ROBUST_WAITERS 0x80000000u /* somebody may sleep on the word */

/** A word with its place on the list. Shared between processes; all zero is free. prev and next mean something only to
 *  the owner: they are addresses in its memory. */
struct robust_word {
    _Atomic uint32_t value;
    uint32_t reserved[5];
    void *prev;
    void *next;
};
_Static_assert(offsetof(struct robust_word, next) == 32, "the distance that glibc gave to the kernel");

/** What the list and the slot hold for a word. */
static inline void *robust_entry(struct robust_word *word)
{
    return &word->next;
}

/* The kernel reads the list and the slot of a thread only when that thread has ended, so what matters is the order in
 * which the thread's own stores were made; a signal fence keeps the compiler to it. */

/** Puts the word in the slot, or empties the slot when word is NULL. */
static inline void robust_pending(struct os_thread *self, struct robust_word *word)
{
    atomic_signal_fence(memory_order_seq_cst);
    *(void *volatile *)&self->robust->pending = word ? robust_entry(word) : NULL;
    atomic_signal_fence(memory_order_seq_cst);
}

/** Puts the word first on the list. For spells in which the thread touches no other entry of its list, and takes this
 *  one off again by robust_pop. The word must be in the slot. */
static inline void robust_push(struct os_thread *self, struct robust_word *word)
{
    word->next = self->robust->first;
    atomic_signal_fence(memory_order_seq_cst);
    *(void *volatile *)&self->robust->first = robust_entry(word);
}

/** Takes the word off that was put on last. The word must be in the slot. */
static inline void robust_pop(struct os_thread *self, struct robust_word *word)
{
    *(void *volatile *)&self->robust->first = word->next;
    atomic_signal_fence(memory_order_seq_cst);
}

/** Puts the word on the list for as long as the caller likes, with other words coming and going. In the slot, too. */
void robust_link(struct os_thread *self, struct robust_word *word);

/** Takes a linked word off the list. In the slot, too. */
void robust_unlink(struct os_thread *self, struct robust_word *word);

#endif
