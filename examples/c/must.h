/* must.h: what every example does with a result code. kith's calls never print and never exit; these small programs
 * have nothing better to do when a call fails than to say why, and end. */
#ifndef KITH_EXAMPLES_MUST_H
#define KITH_EXAMPLES_MUST_H

#include <kith/base.h>

#include <stdio.h>
#include <stdlib.h>

/** Ends the program with a sentence on stderr when result is a failure: negative. @return the result */
static inline int must(int result, const char *call)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "%s: %s (%s) %s\n", call, kith_strerror(result), kith_error_name(result), kith_error_detail());
    exit(EXIT_FAILURE);
}

#define MUST(call) must(call, #call)

/** Makes stdout write each line as soon as it is whole, also into a file or a pipe. So lines of several processes come
 *  in the order in which they were printed, and a process that is terminated loses none. */
static inline void print_whole_lines(void)
{
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

/** The program's one argument as seconds, or the default when there is none. */
static inline double seconds_argument(int count, char **arguments, double otherwise)
{
    if (count < 2)
        return otherwise;
    char *end;
    double seconds = strtod(arguments[1], &end);
    if (count > 2 || end == arguments[1] || *end != '\0' || !(seconds >= 0 && seconds <= 1e6)) {
        fprintf(stderr, "usage: %s [SECONDS]\n", arguments[0]);
        exit(2);
    }
    return seconds;
}

#endif
