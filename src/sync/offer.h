/* Offering the CPU to whom one waits for: who waits for this very one goes on at once, and nobody has to be woken.
 *
 * But a busy third that waits for this CPU has it until its turn is over, milliseconds later; asleep, we would be woken
 * sooner. So a thread that has seen that sleeps at once for some time. */
#ifndef KITH_SRC_SYNC_OFFER_H
#define KITH_SRC_SYNC_OFFER_H

#include <stdbool.h>
#include <stdint.h>

/** Before offering the CPU, by os_thread_yield, some times.
 *  @param since  for offer_end
 *  @return false: a busy third has shown itself of late, so sleep instead */
bool offer_begin(int64_t *since);

/** After that.
 *  @param flows  the other side had the CPU itself, and did so much that we would rather have waited: however long that
 *                took, it shows no third */
void offer_end(int64_t since, bool flows);

#endif
