#include "sync/owned.h"

int owned_acquire_again(struct owned_word *owned, bool recursive)
{
    if (!recursive)
        return -EDEADLK;
    if (owned->again == UINT32_MAX)
        return -EOVERFLOW;
    owned->again++;
    return 0;
}

int owned_acquire(struct os_thread *self, struct owned_word *owned, deadline until, bool recursive)
{
    int code = 0;
    robust_pending(self, &owned->word);
    if (unlikely(!word_try_acquire(self, &owned->word)))
        code = word_acquire_slowly(self, &owned->word, until);
    owned_settle(self, owned, code);
    return code == -EDEADLK ? owned_acquire_again(owned, recursive) : code;
}
