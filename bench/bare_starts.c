/* bare-starts: the bare fork in a program that has no kith in it, and nothing else but the C library: each library that
 * a program is linked with has memory that a fork must look after.
 *
 *   bare-starts MIB    as kith-starts
 */
#include "bare.h"

#include <stdio.h>
#include <string.h>

static const struct start_way ways[] = { { "bare-fork", bare_fork }, { NULL, NULL } };

int main(int argc, char **argv)
{
    int code = starts_take_turns(ways, "bare-fork", argc == 2 ? argv[1] : "0");
    if (code < 0)
        fprintf(stderr, "bare-starts: %s\n", strerror(-code));
    return code < 0;
}
