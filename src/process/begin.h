/* Whether, and how, this program can be begun anew. */
#ifndef KITH_SRC_PROCESS_BEGIN_H
#define KITH_SRC_PROCESS_BEGIN_H

/** The first of a fresh image's arguments; behind it the number of a descriptor, and, for people, what it runs. */
#define BEGIN_AS_IMAGE "--kith-image"

/** @return 0; -EPERM with a detail when a fresh image would not get to its entry point */
int begin_check(void);

/** How the program was called: argv[0], never NULL. */
const char *begin_program(void);

/** The last part of that. */
const char *begin_title(void);

#endif
