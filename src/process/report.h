/* What a child with settings tells its start: that they are set, or what failed.
 *
 * It travels as a packet. The child's end may be in other processes, too, for a moment, so its closing tells nothing:
 * who waits watches the child's sentinel beside it, and the clock.
 */
#ifndef KITH_SRC_PROCESS_REPORT_H
#define KITH_SRC_PROCESS_REPORT_H

/** The ends: [0] is the parent's, [1] the child's. Closed on exec.
 *  @return 0; -EMFILE, -ENFILE, -ENOMEM, without a detail */
int report_open(int ends[2]);

/** In the child: tells what became of it.
 *  @param code  0, or a negative code, whose detail is this thread's */
void report_send(int end, int code);

/** In the parent: waits for the report, or the child's end, or ten seconds.
 *  @return 0, also when no word came: then the child's exit code will tell how it went; else its code, with its
 *          detail */
int report_await(int end, int sentinel);

#endif
