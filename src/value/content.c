/* An object is hashed by its parts. Among these are also lists and dicts; and what is equal there has to have one hash:
 * bytes and a bytearray, a set and a frozenset. Sets and dicts are sums, for any order of their items. */
#include "value/content.h"

#include "base/error.h"
#include "value/key.h"
#include "value/name.h"
#include "value/walk.h"

#include <math.h>
#include <stdatomic.h>

/* An object may hold itself: what is deeper in it makes no difference to its hash. */
enum { STEPS_MAX = 1000000, OBJECTS_MAX = 8 };

struct hashing {
    uint64_t steps;
    unsigned depth;
    unsigned objects; /* how many are around: what is in one does not change by itself */
};

static uint32_t mix(uint32_t one, uint32_t other)
{
    uint32_t both[2] = { one, other };
    return text_hash((const char *)both, sizeof both);
}

static int hash_value(struct hashing *hashing, const kith_value *value, uint32_t *hash);

/** A NaN equals no other, and there may be many: each time another one. */
static uint32_t hash_nan(void)
{
    static _Atomic uint32_t count;
    return mix(0, atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
}

static int hash_plain(struct hashing *hashing, const kith_value *value, uint32_t *hash)
{
    if (value->kind == KITH_FLOAT && isnan(value->real)) {
        *hash = hash_nan();
        return 0;
    }
    if (value->kind == KITH_STR || value->kind == KITH_BYTES || value->kind == KITH_BYTEARRAY) {
        if (!steps_take(&hashing->steps, value->bytes.size / 64))
            return steps_exceeded();
        *hash = text_hash(value->bytes.data, value->bytes.size);
        return 0;
    }
    return key_hash(value, hash);
}

/** What a container or object is made of, one part after the other, or as a sum. */
static int hash_parts(struct hashing *hashing, const kith_value *value, uint32_t *hash)
{
    bool is_dict = value->kind == KITH_DICT, is_sum = value_is_table(value);
    uint32_t all = 1;
    for (size_t i = 0; i < value_part_count(value); i++) {
        uint32_t part, item = 0;
        int code = hash_value(hashing, value_part(value, i), &part);
        if (code == 0 && is_dict)
            code = hash_value(hashing, value_part(value, ++i), &item);
        if (code < 0)
            return code;
        all = is_sum ? all + mix(part, item) : mix(all, part);
    }
    *hash = all;
    return 0;
}

static int hash_object(struct hashing *hashing, const kith_value *value, uint32_t *hash)
{
    const struct object *object = value->object;
    uint32_t names = mix(object->module ? text_hash(object->module, strlen(object->module)) : 0,
                         object->name ? text_hash(object->name, strlen(object->name)) : 0);
    hashing->objects++;
    int code = hash_parts(hashing, value, hash);
    hashing->objects--;
    if (code == 0)
        *hash = mix(*hash, mix(names, object->data ? text_hash(object->data, object->size) : 0));
    return code;
}

static int hash_value(struct hashing *hashing, const kith_value *value, uint32_t *hash)
{
    if (!steps_take(&hashing->steps, 1))
        return steps_exceeded();
    if (!value) {
        *hash = 0;
        return 0;
    }
    if (value->kind < KITH_LIST && (value->kind != KITH_BYTEARRAY || hashing->objects))
        return hash_plain(hashing, value, hash);
    bool is_fixed = value->kind == KITH_TUPLE || value->kind == KITH_FROZENSET || value->kind == KITH_OBJECT;
    if (!is_fixed && !hashing->objects)
        return error_fail(KITH_ETYPE, "unhashable type: '%s'", value_type_name(value));
    if (hashing->objects > OBJECTS_MAX || (hashing->objects && hashing->depth == KITH_KEY_DEPTH_MAX)) {
        *hash = 1;
        return 0;
    }
    if (hashing->depth == KITH_KEY_DEPTH_MAX)
        return error_fail(KITH_ELIMIT, "a key nests deeper than %d tuples", KITH_KEY_DEPTH_MAX);
    hashing->depth++;
    int code = (value->kind == KITH_OBJECT ? hash_object : hash_parts)(hashing, value, hash);
    hashing->depth--;
    return code;
}

int value_content_hash(const kith_value *key, uint32_t *hash)
{
    struct hashing hashing = { .steps = STEPS_MAX };
    uint32_t found;
    int code = hash_value(&hashing, key, &found);
    if (code == 0)
        *hash = found ? found : 1;
    return code;
}
