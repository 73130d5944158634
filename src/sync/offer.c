#include "sync/offer.h"

#include "os/clock.h"

/* Offers that took longer than this, in nanoseconds, have shown a busy third; for so many waits nothing is offered. */
enum { LONG = 1000000, SLEEPS = 256 };

static _Thread_local unsigned sleeps;

bool offer_begin(int64_t *since)
{
    if (sleeps > 0) {
        sleeps--;
        return false;
    }
    *since = os_clock_now();
    return true;
}

void offer_end(int64_t since, bool flows)
{
    if (!flows && os_clock_now() - since > LONG)
        sleeps = SLEEPS;
}
