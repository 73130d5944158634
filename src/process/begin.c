/* kith_begin: where a fresh image of the program leaves its main. */
#include "process/begin.h"

#include "base/error.h"
#include "os/spawn.h"
#include "process/parcel.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* argv[0] of who called kith_begin; NULL: nobody has. */
static const char *program;

int begin_check(void)
{
    if (!program)
        return error_fail(-EPERM, "main has not called kith_begin: a fresh image of this program would run main anew");
    if (os_has_foreign_rights())
        return error_fail(-EPERM,
                          "this program has rights that its user does not have (set-user-id): nobody may choose "
                          "where an image of it begins");
    return 0;
}

const char *begin_program(void)
{
    return program;
}

const char *begin_title(void)
{
    const char *slash = strrchr(program, '/');
    return slash ? slash + 1 : program;
}

static bool is_our_socket(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *end == '\0' && number == OS_SPAWN_DESCRIPTOR && os_packet_is_from_us(OS_SPAWN_DESCRIPTOR);
}

static _Noreturn void live(void)
{
    struct parcel parcel;
    int code;
    do {
        code = parcel_receive(&parcel, OS_SPAWN_DESCRIPTOR);
    } while (code == -EINTR);
    close(OS_SPAWN_DESCRIPTOR);
    if (code > 0)
        parcel_live(&parcel);
    _Exit(EXIT_FAILURE);
}

int kith_begin(int argc, char **argv)
{
    if (!argv)
        return error_fail(-EINVAL, "argv is NULL: give what main was given");
    program = argc > 0 && argv[0] ? argv[0] : "";
    if (argc < 2 || strcmp(argv[1], BEGIN_AS_IMAGE) != 0)
        return 0;
    if (os_has_foreign_rights())
        return error_fail(-EPERM,
                          BEGIN_AS_IMAGE " is not for programs that have rights which their user does not have");
    if (argc != 4 || !is_our_socket(argv[2]))
        return error_fail(-EINVAL, BEGIN_AS_IMAGE " is what the library calls its images with: there is nothing to "
                                                  "begin with here");
    live();
}
