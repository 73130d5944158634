/* Messages that the library allocated and the caller owns; and the version. */
#include <kith/base.h>

#include <stdlib.h>

void kith_bytes_free(kith_bytes *bytes)
{
    if (!bytes)
        return;
    free(bytes->data);
    *bytes = (kith_bytes){ NULL, 0 };
}

const char *kith_version(void)
{
    return KITH_VERSION;
}
