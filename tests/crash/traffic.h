/* Kill torture of a queue, whoever made it: putters and getters are killed by SIGKILL at random instants and replaced,
 * and at the end every message is accounted for.
 *
 * All that is checked lies in shared memory, which outlives the killed. A putter notes which message it is about to put
 * ("begun") and which put has returned ("confirmed"). A getter receives into shared memory and then marks the message
 * seen, so that of a getter killed in a call it is known which message it may have taken along. At the end
 *   - every message whose put returned was seen once, or is the one that a killed getter had in hand;
 *   - no message was seen twice, none was damaged;
 *   - messages of one putter reached each getter in order;
 *   - nobody hung: someone always got on within the watchdog's patience. */
#ifndef KITH_TESTS_CRASH_TRAFFIC_H
#define KITH_TESTS_CRASH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TRAFFIC_MESSAGE_MAX = 300 * 1024, TRAFFIC_HEADER = 16 };

/** A queue that this process and those that it starts share. Its calls wait, and return 0 or something negative. */
struct traffic_queue {
    int (*put)(const void *data, size_t size);
    int (*get)(void *buffer, size_t capacity, size_t *size);
    int (*left)(void); /* how many messages are queued */
    size_t big;        /* one message of 64 has up to so many bytes, the header not counted */
    int patience;      /* seconds */
};

/** Kills so often, and says in comments of TAP how it went.
 *  @param random  the state of random.h; seeds who is killed, and when
 *  @param lethal  receives the kill after which nobody got on, from 1; 0 when there was none
 *  @return whether all was right */
bool traffic_torture(const struct traffic_queue *queue, int kills, uint64_t *random, int *lethal);

#ifdef __cplusplus
}
#endif

#endif
