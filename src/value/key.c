/* Keys.
 *
 * Hashes are SipHash-1-3 with a key that the process draws once: nobody outside can make values whose hashes collide,
 * so nobody can make a table slow. Numbers that are equal have equal hashes, whatever their kinds: a float that is a
 * whole number within 64 bits hashes as that int, and an int beyond them that a float can be exactly as that float.
 *
 * A key may nest only so deep, which bounds all recursion here. A hash is kept in its value, and with it how deep the
 * value nests; readers of several threads may do so at the same time, with the same result. */
#include "value/key.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/random.h"
#include "value/number.h"
#include "value/table.h"

#include <math.h>
#include <pthread.h>

int steps_exceeded(void)
{
    return error_fail(KITH_ELIMIT, "to compare the values takes too long");
}

/* ---- SipHash-1-3, by Aumasson and Bernstein ---- */

static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void draw_secret(void)
{
    if (os_random(secret, sizeof secret) == 0)
        return;
    /* A system without such numbers: something that is at least not the same each time. */
    secret[0] = (uint64_t)os_clock_now();
    secret[1] = (uintptr_t)&secret ^ (uint64_t)(uintptr_t) & (char){ 0 };
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

static inline void sip_round(struct sip *sip)
{
    sip->v0 += sip->v1;
    sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
    sip->v0 = rotate(sip->v0, 32);
    sip->v2 += sip->v3;
    sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
    sip->v0 += sip->v3;
    sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
    sip->v2 += sip->v1;
    sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
    sip->v2 = rotate(sip->v2, 32);
}

static inline struct sip sip_begin(void)
{
    pthread_once(&secret_once, draw_secret);
    return (struct sip){
        secret[0] ^ 0x736f6d6570736575,
        secret[1] ^ 0x646f72616e646f6d,
        secret[0] ^ 0x6c7967656e657261,
        secret[1] ^ 0x7465646279746573,
    };
}

static inline void sip_word(struct sip *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_round(sip);
    sip->v0 ^= word;
}

/** @return the hash, never 0 */
static inline uint32_t sip_end(struct sip *sip)
{
    sip->v2 ^= 0xff;
    sip_round(sip);
    sip_round(sip);
    sip_round(sip);
    uint32_t hash = (uint32_t)(sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3);
    return hash ? hash : 1;
}

static uint32_t hash_bytes(const void *bytes, size_t size)
{
    const char *at = bytes;
    struct sip sip = sip_begin();
    uint64_t word;
    size_t left = size;
    for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        sip_word(&sip, word);
    }
    word = 0;
    memcpy(&word, at, left);
    sip_word(&sip, word | (uint64_t)size << 56);
    return sip_end(&sip);
}

static uint32_t hash_word(uint64_t word)
{
    return hash_bytes(&word, sizeof word);
}

uint32_t text_hash(const char *text, size_t size)
{
    return hash_bytes(text, size);
}

uint32_t address_hash(const void *address)
{
    return hash_word((uintptr_t)address);
}

/* ---- hashes of values ---- */

static int hash_at(const kith_value *key, unsigned depth, uint32_t *hash);

/** Keeps a hash, and how deep the value nests. The value is const for who asks, and its hash no part of what it is. */
static void keep(const kith_value *key, uint32_t hash, unsigned height)
{
    kith_value *value = (kith_value *)key;
    __atomic_store_n(&value->height, (uint16_t)height, __ATOMIC_RELAXED);
    __atomic_store_n(&value->hash, hash, __ATOMIC_RELEASE); /* pairs with the acquire in key_hash */
}

static uint32_t hash_float(const kith_value *key)
{
    double real = key->real;
    if (isnan(real))
        return address_hash(key); /* equal to itself only, and there may be many */
    int64_t number;
    if (number_float_as_int(real, &number))
        return hash_word((uint64_t)number);
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    return hash_word(bits);
}

static uint32_t hash_int(const kith_value *key)
{
    if (!(key->marks & VALUE_BIG))
        return hash_word((uint64_t)key->integer);
    double real;
    if (number_big_as_double(key, &real) == NUMBER_EXACT)
        return hash_float(&(kith_value){ .kind = KITH_FLOAT, .real = real });
    return hash_bytes(key->bytes.data, key->bytes.size);
}

/** The hash of a part, and the greatest height of all parts so far. */
static int hash_part(const kith_value *part, unsigned depth, unsigned *height, uint32_t *hash)
{
    int code = part ? hash_at(part, depth + 1, hash) : error_fail(KITH_ETYPE, "a tuple that is not complete is no key");
    if (code < 0)
        return code;
    unsigned other = __atomic_load_n(&part->height, __ATOMIC_RELAXED);
    if (other > *height)
        *height = other;
    return 0;
}

static int hash_tuple(const kith_value *key, unsigned depth, unsigned *height, uint32_t *hash)
{
    const struct sequence *sequence = key->sequence;
    struct sip sip = sip_begin();
    for (size_t i = 0; i < sequence->count; i++) {
        uint32_t part;
        int code = hash_part(sequence->items[i], depth, height, &part);
        if (code < 0)
            return code;
        sip_word(&sip, part);
    }
    sip_word(&sip, sequence->count);
    *hash = sip_end(&sip);
    return 0;
}

/** The same for any order of the items. */
static int hash_frozenset(const kith_value *key, unsigned depth, unsigned *height, uint32_t *hash)
{
    const struct table *table = key->table;
    uint64_t sum = 0;
    for (size_t i = 0; i < table->count; i++) {
        uint32_t part;
        int code = hash_part(table->pairs[i].key, depth, height, &part);
        if (code < 0)
            return code;
        sum += (uint64_t)hash_word(part) << 32 | hash_word(~(uint64_t)part);
    }
    *hash = hash_word(sum ^ table->count);
    return 0;
}

/** @param depth  how many tuples and frozensets are around the key */
static int hash_at(const kith_value *key, unsigned depth, uint32_t *hash)
{
    *hash = __atomic_load_n(&key->hash, __ATOMIC_ACQUIRE); /* pairs with the release in keep */
    if (*hash)
        return 0;
    unsigned height = 0;
    int code = 0;
    switch (key->kind) {
    case KITH_NONE:
        *hash = hash_word(KITH_NONE);
        break;
    case KITH_BOOL:
        *hash = hash_word(key->truth);
        break;
    case KITH_INT:
        *hash = hash_int(key);
        break;
    case KITH_FLOAT:
        *hash = hash_float(key);
        break;
    case KITH_STR:
    case KITH_BYTES:
        *hash = hash_bytes(key->bytes.data, key->bytes.size);
        break;
    case KITH_OBJECT:
        *hash = address_hash(key);
        break;
    case KITH_TUPLE:
    case KITH_FROZENSET:
        if (depth < KITH_KEY_DEPTH_MAX)
            code = (key->kind == KITH_TUPLE ? hash_tuple : hash_frozenset)(key, depth, &height, hash);
        if (code < 0)
            return code;
        if (++height > KITH_KEY_DEPTH_MAX || depth >= KITH_KEY_DEPTH_MAX)
            return error_fail(KITH_ELIMIT, "a key nests deeper than %d tuples", KITH_KEY_DEPTH_MAX);
        break;
    default:
        return error_fail(KITH_ETYPE, "a %s can change, and so is no key", kith_kind_name(key->kind));
    }
    keep(key, *hash, height);
    return 0;
}

int key_hash_slowly(const kith_value *key, uint32_t *hash)
{
    return hash_at(key, 0, hash);
}

/* ---- equality ---- */

static int equal_items(const struct sequence *one, const struct sequence *other, uint64_t *steps)
{
    if (one->count != other->count)
        return 0;
    for (size_t i = 0; i < one->count; i++) {
        int equal = key_equal(one->items[i], other->items[i], steps);
        if (equal != 1)
            return equal;
    }
    return 1;
}

static int equal_sets(const struct table *one, const struct table *other, uint64_t *steps)
{
    if (one->count != other->count)
        return 0;
    for (size_t i = 0; i < one->count; i++) {
        struct pair *pair;
        int code = table_find(other, one->pairs[i].key, steps, &pair);
        if (code < 0 || !pair)
            return code;
    }
    return 1;
}

/** How many bytes a number is kept in beside its node. */
static size_t size_beside(const kith_value *number)
{
    return number->marks & VALUE_BIG ? number->bytes.size : 0;
}

int key_equal(const kith_value *one, const kith_value *other, uint64_t *steps)
{
    if (!steps_take(steps, 1)) /* also where they are the same: a tuple may hold that one again and again */
        return steps_exceeded();
    if (one == other)
        return 1;
    if (number_is(one) && number_is(other)) {
        bool enough = steps_take(steps, (size_beside(one) + size_beside(other)) / 64);
        return enough ? number_equal(one, other) : steps_exceeded();
    }
    if (one->kind != other->kind)
        return 0;
    switch (one->kind) {
    case KITH_NONE:
        return 1;
    case KITH_STR:
    case KITH_BYTES:
        if (one->bytes.size != other->bytes.size)
            return 0;
        if (!steps_take(steps, one->bytes.size / 64))
            return steps_exceeded();
        return memcmp(one->bytes.data, other->bytes.data, one->bytes.size) == 0;
    case KITH_TUPLE:
        return key_kept_hash(one) == key_kept_hash(other) ? equal_items(one->sequence, other->sequence, steps) : 0;
    case KITH_FROZENSET:
        return key_kept_hash(one) == key_kept_hash(other) ? equal_sets(one->table, other->table, steps) : 0;
    default:
        return 0; /* an object: equal to itself only */
    }
}
