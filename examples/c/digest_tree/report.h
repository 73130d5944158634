/* report.h: what digest_tree tells on stderr: complaints, the progress bar, the table of the workers. */
#ifndef DIGEST_TREE_REPORT_H
#define DIGEST_TREE_REPORT_H

#include <kith/base.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Tells what went wrong, and has the program end with status 1 (complaints > 0). */
void complain(const char *format, ...) KITH_PRINTF(1, 2);
void complain_of(const char *path, int error);
extern size_t complaints;

/** Tells what is worth knowing, and no failure. */
void remark(const char *format, ...) KITH_PRINTF(1, 2);

/** Ends the program with a complaint when memory is NULL. @return memory */
void *need(void *memory);

/** The same for a call of kith that failed. @return result */
int must(int result, const char *call);
#define MUST(call) must(call, #call)

/** Seconds on a clock that never jumps. */
double seconds_now(void);

struct amount {
    uint64_t files;
    uint64_t bytes;
};

/** True when there is a bar: when stderr is a terminal. */
bool progress_wanted(void);

/** Draws the bar, when it is wanted, and not again within a tenth of a second.
 *  @param found  how much there is; complete when walking is false */
void progress_draw(struct amount done, struct amount found, bool walking);

/** Wipes the bar out. */
void progress_clear(void);

/** One line of the table. @param name  "worker" or so; @param seconds  of work */
void table_row(const char *name, struct amount done, double seconds);
void table_head(void);

#endif
