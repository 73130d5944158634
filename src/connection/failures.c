/* A leaky bucket for each origin, as one number: the time at which its last failure will be forgotten, if no more come.
 * Each failure moves that by its share of a minute. So nothing has to run while nobody fails. */
#include "connection/failures.h"

#include "os/clock.h"

#include <stdlib.h>

#define MINUTE INT64_C(60000000000)

/* For how many origins. They are looked at one after the other: half a microsecond, when a connection comes. */
enum { PLACES = 1024 };

struct failures {
    int64_t share; /* how long one failure counts, in nanoseconds */
    struct place {
        uint64_t origin;
        int64_t until; /* not later than now: nobody's */
    } places[PLACES];
};

struct failures *failures_new(unsigned max)
{
    struct failures *failures = calloc(1, sizeof *failures);
    if (failures)
        failures->share = MINUTE / max;
    return failures;
}

void failures_free(struct failures *failures)
{
    free(failures);
}

void failures_add(struct failures *failures, uint64_t origin)
{
    const int64_t now = os_clock_now();
    struct place *place = failures->places;
    for (struct place *one = place; one < failures->places + PLACES; one++) {
        if (one->origin == origin) {
            place = one;
            break;
        }
        if (one->until < place->until)
            place = one;
    }
    if (place->origin != origin || place->until < now)
        *place = (struct place){ .origin = origin, .until = now };
    place->until += failures->share;
    if (place->until > now + MINUTE) /* many that were let in at the same time: the bucket is full, and no fuller */
        place->until = now + MINUTE;
}

bool failures_exceeded(const struct failures *failures, uint64_t origin)
{
    for (const struct place *one = failures->places; one < failures->places + PLACES; one++) {
        if (one->origin == origin)
            return one->until > os_clock_now() + MINUTE - failures->share;
    }
    return false;
}
