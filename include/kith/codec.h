/* kith/codec.h: values as pickles and as JSON, and in queues.
 *
 * The pickles are CPython's (Lib/pickle.py, Lib/pickletools.py): the reader takes protocols 0 to 5, the writer makes 2
 * to 5. Reading never runs anything. Where a pickle says "import this, call that", the value is an object that keeps
 * what was said (kith/value.h), and writing it says the same again, so that Python makes an equal object. What is
 * shared in the pickle, or holds itself, is so in the value, and again in what is written.
 *
 * A pickle from somebody else is safe to read: what is malformed or exceeds the limits is an error, and memory stays
 * in proportion to the pickle's own size. It is not safe for a Python program to load: that runs it.
 */
#ifndef KITH_CODEC_H
#define KITH_CODEC_H

#include <kith/base.h>
#include <kith/queue.h>
#include <kith/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pickle ---- */

/** A buffer that goes beside a pickle (protocol 5, "out of band"; PEP 574). */
typedef struct kith_buffer {
    const void *data; /**< may be NULL when size is 0 */
    size_t size;      /**< in bytes */
} kith_buffer;

/** How to read a pickle; all zero is the default. */
typedef struct kith_pickle_read_options {
    size_t max_depth;  /**< how deep containers and objects may nest; 0: 1,000 */
    size_t max_values; /**< the most values; 0: as many as the pickle has bytes, which is no bound */
    size_t max_bytes;  /**< the most memory that the values may take; 0: 128 times the pickle's size, the sizes of the
                            buffers, and 64 KiB */
    const kith_buffer *buffers; /**< the buffers that came beside the pickle; copied */
    size_t buffer_count;        /**< in elements. With none, a buffer that is asked for is an object without data */
    int borrow;                 /**< long bytes are not copied: the pickle, and buffers, outlive the arena's values */
} kith_pickle_read_options;

/** Reads a pickle.
 *  @param arena    owns the values. When reading fails, what was made stays in it until it is reset
 *  @param value    receives the value
 *  @param data     the pickle; what is behind its end (a STOP) is not looked at
 *  @param size     in bytes
 *  @param options  NULL for the defaults
 *  @return 0; KITH_EMALFORMED when this is no pickle, with the offset in the detail; KITH_ELIMIT when it exceeds a
 *          limit, has an int in text of more than 20,000 digits, or the name of a class of more than 1,000 bytes or
 *          100 dots; -ENOMEM; -EINVAL when arena or value is NULL, or data, or buffers or the data of one, and the
 *          size or count is not 0 */
KITH_API KITH_MUST_USE int kith_pickle_read(kith_arena *arena, kith_value **value, const void *data, size_t size,
                                            const kith_pickle_read_options *options);

/** Told of each buffer that is left out of a pickle, in the order in which its reader will want them.
 *  @param buffer  the value: an object KITH_OBJECT_BUFFER
 *  @return 0; a negative code ends the writing with that code */
typedef int kith_buffer_function(void *context, const kith_value *buffer);

/** How to write a pickle; all zero is the default. */
typedef struct kith_pickle_write_options {
    int protocol; /**< 2 to 5; 0: 4, which every Python 3 from 3.4 on reads */
    /** Leaves buffers (KITH_OBJECT_BUFFER) out of a pickle of protocol 5 and tells of each. NULL: those that have data
     *  are written into the pickle; one without is left out, as it was where it came from. */
    kith_buffer_function *on_buffer;
    void *context;    /**< handed to it */
    size_t max_bytes; /**< the longest pickle; 0: no bound */
} kith_pickle_write_options;

/** Writes a value as a pickle.
 *  @param pickle   receives it; free it with kith_bytes_free
 *  @param options  NULL for the defaults
 *  @return 0; KITH_ELIMIT when it is nested deeper than KITH_VALUE_DEPTH_MAX or longer than max_bytes, or the protocol
 *          has no word for its length (4 GiB and more below protocol 4); -EINVAL when value or pickle is NULL, the
 *          protocol is none of these, or on_buffer is given and the protocol is not 5; -ENOTSUP below protocol 5 when
 *          there is a buffer without data, below 4 when the name of a global has a line break; -ENOMEM */
KITH_API KITH_MUST_USE int kith_pickle_write(const kith_value *value, kith_bytes *pickle,
                                             const kith_pickle_write_options *options);

/* ---- JSON (RFC 8259) ---- */

/** Reads a JSON text: null, true and false, numbers (with a point or an exponent a float, else an int), strings, arrays
 *  (lists), objects (dicts; of equal names the last one counts).
 *  For the time of the call, Jansson's tree of the text takes memory in proportion to its size, beside the values.
 *  @param text  size bytes of UTF-8
 *  @return 0; KITH_EMALFORMED when it is no JSON, with line and column in the detail (of a NUL byte the offset; of
 *          several values with commas, how many they are), also when something follows, half a surrogate pair stands
 *          alone, or a name has a NUL in it (\u0000; a str may); KITH_ELIMIT when it is nested deeper than 1,000;
 *          -ERANGE for an int that is none of int64_t, or a float beyond double; -ENOMEM; -EINVAL as for
 *          kith_pickle_read */
KITH_API KITH_MUST_USE int kith_json_read(kith_arena *arena, kith_value **value, const void *text, size_t size);

/** Writes a value as JSON: what kith_json_read makes, ints up to those of uint64_t, and a tuple as an array. Keys that
 *  are ints, floats, bools and None become strings, as Python's json does it.
 *  @param text    receives UTF-8 with a NUL byte behind it, which size does not count; free it with kith_bytes_free
 *  @param indent  how far to indent each level, 0 to 31; 0: all in one line
 *  @return 0; KITH_ETYPE when it holds what JSON has no word for (bytes, sets, objects, other keys, texts with lone
 *          surrogates): kith_error_detail names it; -ERANGE for an int that is neither of int64_t nor of uint64_t, an
 *          infinity or a NaN; KITH_ELIMIT when it is nested deeper than 1,000 or holds itself, or the text would be
 *          longer than 1 GiB; -EINVAL; -ENOMEM */
KITH_API KITH_MUST_USE int kith_json_write(const kith_value *value, kith_bytes *text, int indent);

/* ---- queues ----
 *
 * A message that is a value is a pickle; or a pickle with buffers beside it, which begins with the four bytes 00 'K' 'B'
 * '1', where a pickle of protocol 2 or later begins with 80. Then follow, in the byte order of the machine: the number
 * of buffers (32 bits), the length of the pickle in bytes (64 bits), and of each buffer its length in bytes (64 bits;
 * the highest bit says that it is read-only); then the pickle, then the buffers, each at a multiple of 8 bytes from the
 * message's beginning (an empty one nowhere). Python's side of kith writes such for what pickles out of band, as arrays
 * of numpy. The reader makes of each an object KITH_OBJECT_BUFFER with its data: see kith_value_as_bytes. */

/** Reads a message that was got otherwise than by kith_queue_get_value: by kith_queue_get_bytes, or in place.
 *  @param data     the message; what is behind its last part is not looked at
 *  @param size     in bytes
 *  @param options  as for kith_pickle_read, without buffers. With borrow, the message outlives the arena's values; so
 *                  one that kith_queue_take gave can be used where it lies until kith_queue_finish
 *  @return as kith_pickle_read; KITH_EMALFORMED also when the message ends before one of its parts; -EINVAL also when
 *          buffers are given */
KITH_API KITH_MUST_USE int kith_message_read(kith_arena *arena, kith_value **value, const void *data, size_t size,
                                             const kith_pickle_read_options *options);

/** Puts a value, as a pickle of protocol 4. @param value  NULL gives -EINVAL
 *  @return as kith_pickle_write, and as kith_queue_put */
KITH_API KITH_MUST_USE int kith_queue_put_value(kith_queue *queue, const kith_value *value, kith_timeout timeout);

/** Gets a message that is a pickle, with buffers beside it or without.
 *  @param arena  owns the value
 *  @return 0, or as kith_queue_get_bytes; KITH_EMALFORMED or KITH_ELIMIT when the message is no value, or exceeds
 *          the limits of kith_pickle_read_options' defaults: it is taken from the queue and gone, but in a queue that
 *          redelivers it is to be finished as any other */
KITH_API KITH_MUST_USE int kith_queue_get_value(kith_queue *queue, kith_arena *arena, kith_value **value,
                                                kith_timeout timeout);

#ifdef __cplusplus
}
#endif

#endif
