/* bench/processors.h: how many processors this process may use. */
#ifndef BENCH_PROCESSORS_H
#define BENCH_PROCESSORS_H

/** @return the number, at least 1 */
unsigned processors(void);

/** Keeps this process on one of them, in turn: what is measured is then traffic between processors where there are
 *  several, and not what the scheduler makes of it this time. */
void keep_to_processor(unsigned turn);

#endif
