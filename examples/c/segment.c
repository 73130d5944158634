/* segment: two programs that are no relatives share memory by a name.
 *
 *     $ ./segment write NAME hello      makes it, or finds it
 *     $ ./segment read NAME             or in Python: SharedMemory(name="NAME").buf
 *     $ ./segment unlink NAME */
#include "must.h"

#include <kith/memory.h>

#include <string.h>

enum { SIZE = 1000 };

int main(int count, char **arguments)
{
    const char *command = count > 2 ? arguments[1] : "";
    kith_segment *segment;
    if (strcmp(command, "write") == 0 && count == 4) {
        MUST(kith_segment_open(&segment, arguments[2], KITH_OPEN_OR_CREATE, SIZE));
        snprintf(kith_segment_data(segment), kith_segment_size(segment), "%s", arguments[3]);
    } else if (strcmp(command, "read") == 0) {
        MUST(kith_segment_open(&segment, arguments[2], KITH_OPEN, 0));
        printf("%.*s\n", (int)kith_segment_size(segment), (const char *)kith_segment_data(segment));
    } else if (strcmp(command, "unlink") == 0) {
        MUST(kith_segment_unlink(arguments[2]));
        return 0;
    } else {
        fprintf(stderr, "usage: %s write NAME TEXT | read NAME | unlink NAME\n", arguments[0]);
        return 2;
    }
    kith_segment_free(segment); /* the name stays, until it is unlinked */
    return 0;
}
