/* Queue, locks and semaphores between threads of one process: for ThreadSanitizer, which knows nothing of processes.
 * What is passed or guarded is plain memory, so that TSan, too, must find that each use of it happens before the next.
 *
 * What it can't see: the robust lists and what the kernel does with words (only the atomic accesses order anything
 * here, which is what the library promises). */
#include "cmocka_kith.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { THREADS = 4, TURNS = 3000, MESSAGES = 6000, LARGEST = 3000 };

static kith_queue *queue;
static kith_lock *lock;
static kith_semaphore *semaphore;
static long plain;           /* what is guarded */
static _Atomic int mistakes; /* cmocka's assertions are for the first thread */

static void expect(bool condition)
{
    if (!condition)
        atomic_fetch_add(&mistakes, 1);
}

static void run_threads(void *(*const bodies[])(void *), int count)
{
    pthread_t threads[2 * THREADS];
    atomic_store(&mistakes, 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], (void *)(intptr_t)i), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&mistakes), 0);
}

/* ---- guards ---- */

static void *take_lock(void *nothing)
{
    for (int i = 0; i < TURNS; i++) {
        expect(kith_lock_acquire(lock, KITH_FOREVER) == 0);
        plain++;
        expect(kith_lock_release(lock) == 0);
    }
    return nothing;
}

/** As take_lock, but most of its calls come to nothing: their time is up. */
static void *take_lock_in_haste(void *nothing)
{
    for (int i = 0; i < TURNS;) {
        int code = kith_lock_acquire(lock, i % 2 ? KITH_NOWAIT : 1000);
        expect(code == 0 || code == -ETIMEDOUT);
        if (code < 0)
            continue;
        plain++;
        expect(kith_lock_release(lock) == 0);
        i++;
    }
    return nothing;
}

static void guarded_by_lock(void **state)
{
    (void)state;
    plain = 0;
    assert_code(kith_lock_new(&lock, NULL), 0);
    run_threads((void *(*const[])(void *)){ take_lock, take_lock, take_lock, take_lock_in_haste }, THREADS);
    assert_int_equal(plain, THREADS * TURNS);
    kith_lock_free(lock);
}

static void *take_unit(void *nothing)
{
    for (int i = 0; i < TURNS; i++) {
        expect(kith_semaphore_acquire(semaphore, KITH_FOREVER) == 0);
        plain++;
        expect(kith_semaphore_release(semaphore) == 0);
    }
    return nothing;
}

static void guard_by_semaphore(const kith_semaphore_options *options)
{
    plain = 0;
    int code = kith_semaphore_new(&semaphore, 1, options);
    if (code == -ENOTSUP)
        skip();
    assert_code(code, 0);
    run_threads((void *(*const[])(void *)){ take_unit, take_unit, take_unit, take_unit }, THREADS);
    assert_int_equal(plain, THREADS * TURNS);
    assert_int_equal(kith_semaphore_value(semaphore), 1);
    kith_semaphore_free(semaphore);
}

static void guarded_by_semaphore(void **state)
{
    (void)state;
    guard_by_semaphore(NULL);
}

static void guarded_by_owned_unit(void **state)
{
    (void)state;
    guard_by_semaphore(&(kith_semaphore_options){ .owned = 1 });
}

/* ---- the queue ---- */

/** What a message is about: plain memory that goes from hand to hand. */
struct parcel {
    long number;
    long touched;
};

static void *send_parcels(void *thread)
{
    for (long i = 0; i < MESSAGES; i++) {
        struct parcel *parcel = malloc(sizeof *parcel);
        if (!parcel)
            break;
        *parcel = (struct parcel){ i, (intptr_t)thread };
        expect(kith_queue_put(queue, &parcel, sizeof parcel, KITH_FOREVER) == 0);
    }
    return NULL;
}

static void *receive_parcels(void *nothing)
{
    for (long i = 0; i < MESSAGES; i++) {
        struct parcel *parcel;
        size_t size;
        int code = kith_queue_get(queue, &parcel, sizeof parcel, &size, KITH_FOREVER);
        expect(code == 0 && size == sizeof parcel);
        if (code < 0)
            break;
        parcel->touched = parcel->number;
        free(parcel);
    }
    return nothing;
}

static void pass_through(const kith_queue_options *options, void *(*put)(void *), void *(*get)(void *))
{
    assert_code(kith_queue_new(&queue, options), 0);
    run_threads((void *(*const[])(void *)){ put, put, get, get }, 4);
    assert_int_equal(kith_queue_qsize(queue), 0);
    kith_queue_free(queue);
}

static void hand_to_hand(void **state)
{
    (void)state;
    pass_through(&(kith_queue_options){ .max_items = 2 }, send_parcels, receive_parcels);
    pass_through(NULL, send_parcels, receive_parcels);
}

/* 56 bytes: with its header a record takes 64, and no record wraps around. */
enum { WORDS_OF_ONE = 7 };

static void *fill_room(void *thread)
{
    for (long i = 0; i < MESSAGES; i++) {
        long words[WORDS_OF_ONE];
        for (int j = 0; j < WORDS_OF_ONE; j++)
            words[j] = i + (intptr_t)thread;
        expect(kith_queue_put(queue, words, sizeof words, KITH_FOREVER) == 0);
    }
    return NULL;
}

static void *clear_room(void *nothing)
{
    for (long i = 0; i < MESSAGES; i++) {
        long words[WORDS_OF_ONE];
        size_t size;
        expect(kith_queue_get(queue, words, sizeof words, &size, KITH_FOREVER) == 0 && size == sizeof words);
        for (int j = 1; j < WORDS_OF_ONE; j++)
            expect(words[j] == words[0]);
    }
    return nothing;
}

static void room(void **state)
{
    (void)state;
    pass_through(&(kith_queue_options){ .max_items = 16 }, fill_room, clear_room);
}

static const long *_Atomic left; /* what a thread has taken, for another to finish */

static void finish(const long *words)
{
    for (int j = 1; words && j < WORDS_OF_ONE; j++)
        expect(words[j] == words[0]);
    expect(!words || kith_queue_finish(queue, words) == 0);
}

static void *take_and_swap(void *nothing)
{
    for (long i = 0; i < MESSAGES;) {
        const void *data;
        size_t size;
        int code = kith_queue_take(queue, &data, &size, KITH_MS(1));
        expect(code == KITH_EEMPTY || (code == 0 && size == WORDS_OF_ONE * sizeof(long)));
        /* With none to be taken, all may stand behind the one that is left, and fill the queue. */
        finish(atomic_exchange(&left, code == 0 ? data : NULL));
        i += code == 0;
    }
    return nothing;
}

/** What was finished is written over, and may be read by nobody any more. */
static void room_of_what_was_taken(void **state)
{
    (void)state;
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .max_items = 16, .redeliver = 1 }), 0);
    run_threads((void *(*const[])(void *)){ fill_room, fill_room, take_and_swap, take_and_swap }, 4);
    finish(atomic_exchange(&left, NULL));
    assert_int_equal(atomic_load(&mistakes), 0);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), 0);
    kith_queue_free(queue);
}

static void *put_large(void *thread)
{
    char *bytes = calloc(1, LARGEST);
    for (int i = 0; bytes && i < MESSAGES / 4; i++) {
        size_t size = (size_t)i * 37 % LARGEST;
        memset(bytes, i + (int)(intptr_t)thread, size);
        expect(kith_queue_put(queue, bytes, size, KITH_FOREVER) == 0);
    }
    free(bytes);
    return NULL;
}

static void *get_large(void *nothing)
{
    for (int i = 0; i < MESSAGES / 4; i++) {
        kith_bytes message = { 0 };
        expect(kith_queue_get_bytes(queue, &message, KITH_FOREVER) == 0);
        for (size_t j = 1; j < message.size; j++)
            expect(((char *)message.data)[j] == ((char *)message.data)[0]);
        kith_bytes_free(&message);
    }
    return nothing;
}

/** Regions are taken, followed, left and given back while others put and get. */
static void regions_that_come_and_go(void **state)
{
    (void)state;
    pass_through(NULL, put_large, get_large);
    pass_through(&(kith_queue_options){ .max_bytes = 16 * 1024 }, put_large, get_large);
}

static void *put_or_give_up(void *thread)
{
    long sent = 0;
    for (long i = 0; sent < MESSAGES / 2; i++) {
        int code = kith_queue_put(queue, &thread, sizeof thread, i % 2 ? KITH_NOWAIT : 2000);
        expect(code == 0 || code == KITH_EFULL);
        sent += code == 0;
        expect(kith_queue_qsize(queue) >= 0);
    }
    return NULL;
}

static void *get_or_give_up(void *nothing)
{
    long received = 0;
    for (long i = 0; received < MESSAGES / 2; i++) {
        void *message;
        size_t size;
        int code = kith_queue_get(queue, &message, sizeof message, &size, i % 2 ? KITH_NOWAIT : 2000);
        expect(code == 0 || code == KITH_EEMPTY);
        received += code == 0;
    }
    return nothing;
}

static void in_haste(void **state)
{
    (void)state;
    pass_through(&(kith_queue_options){ .max_items = 1 }, put_or_give_up, get_or_give_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guarded_by_lock),
        cmocka_unit_test(guarded_by_semaphore),
        cmocka_unit_test(guarded_by_owned_unit),
        cmocka_unit_test(hand_to_hand),
        cmocka_unit_test(room),
        cmocka_unit_test(room_of_what_was_taken),
        cmocka_unit_test(in_haste),
        cmocka_unit_test(regions_that_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
