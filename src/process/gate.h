/* Gates: a child waits at one until its parent has written it down.
 *
 * A gate is a word of a page that the two share. There is nothing to be opened or closed for it, and who comes to a
 * gate that is lifted, as a child does as a rule, makes no call to the system. So it costs a start next to nothing.
 *
 * The page stays with the process that made it: the words are used again, each for one start at a time, and by tickets,
 * so that a child that comes late to a gate of its own never waits for the next one's.
 */
#ifndef KITH_SRC_PROCESS_GATE_H
#define KITH_SRC_PROCESS_GATE_H

#include <stdbool.h>
#include <stdint.h>

struct gate {
    struct gate_word *word; /* NULL: none */
    uint32_t ticket;
};

/** Makes a gate, shut, before the fork. Under forks_block.
 *  @return 0; -ENOMEM; -EAGAIN when hundreds of threads start children at this very moment */
int gate_new(struct gate *gate);

/** The size of a gate in memory that parent and child share otherwise, in bytes. */
#define GATE_SIZE 64

/** The gate in such memory, which is all zero at first, and has to stay until the gate is lifted or passed. */
struct gate gate_in(void *memory);

/** Lets the child pass. The gate is none then. Under forks_block. */
void gate_lift(struct gate *gate);

/** Gives a gate back at which nobody waits any more. In a child it does nothing to those of its parent. Under
 *  forks_block. */
void gate_drop(struct gate *gate);

/** Waits at the gate. It is none then. @return true when it was lifted; false when the parent ended first */
bool gate_pass(struct gate *gate, int parent);

/** In a new process: forgets the page of its parent; the gate that it may stand at lasts until it has passed. */
void gates_forget(void);

#endif
