/* bench/message.c: see message.h. */
#include "message.h"

#include "reason.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BITS 40 /* of the stamp; the putter has those above */

void *message_new(size_t size)
{
    unsigned char *message = malloc(size);
    for (size_t i = 0; message && i < size; i++)
        message[i] = (unsigned char)(i * 31);
    return message;
}

void message_stamp(void *message, size_t size, unsigned putter, uint64_t number)
{
    uint64_t first = (uint64_t)putter << NUMBER_BITS | number;
    uint64_t last = ~first;
    memcpy(message, &first, sizeof first);
    memcpy((char *)message + size - sizeof last, &last, sizeof last);
}

int message_check(struct expectation *expected, const void *message, size_t size, uint64_t *sum)
{
    if (size != expected->size)
        return because(FAILED, "a message of %zu bytes came, not of %zu", size, expected->size);
    uint64_t first, last;
    memcpy(&first, message, sizeof first);
    memcpy(&last, (const char *)message + size - sizeof last, sizeof last);
    uint64_t putter = first >> NUMBER_BITS;
    uint64_t number = first & (((uint64_t)1 << NUMBER_BITS) - 1);
    if (last != ~first || putter >= expected->putters)
        return because(FAILED, "a message came torn");
    if (number < expected->next[putter])
        return because(FAILED, "message %" PRIu64 " of putter %" PRIu64 " came twice or out of order", number, putter);
    expected->next[putter] = number + 1;
    *sum = first;
    return 0;
}

uint64_t message_sum(unsigned putters, uint64_t messages_each)
{
    uint64_t sum = 0;
    for (uint64_t putter = 0; putter < putters; putter++)
        sum += (putter << NUMBER_BITS) * messages_each + messages_each * (messages_each - 1) / 2;
    return sum;
}
