/* kith/proxy.h: the methods of a manager's built-in types, for proxies of kith/manager.h.
 *
 * They are those of Python's queue.Queue, list, dict, set, threading's locks and their kin, and multiprocessing's
 * Namespace, Value, Array and Pool: a proxy of any of these, in a kith server or a stock Python one, has the calls here
 * that its type has. A call that the type does not have gives KITH_EREMOTE (AttributeError).
 *
 * All may give, besides what each tells, what kith_proxy_call gives: above all KITH_ECLOSED when the server is gone.
 * All are safe from several threads. Values that are given stay the caller's; values that come belong to the arena.
 *
 * A timeout here is the server's: it is sent along, and the call comes back when the server says that it is over. So
 * nothing is left unknown by it. A signal does not interrupt a wait.
 */
#ifndef KITH_PROXY_H
#define KITH_PROXY_H

#include <kith/base.h>
#include <kith/manager.h>
#include <kith/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- any object ---- */

/** The object's value, copied: a list's items, a dict's pairs, an Array's items as a list ('#GETVALUE').
 *  @return 0; as kith_proxy_call */
KITH_API KITH_MUST_USE int kith_proxy_get_value(kith_proxy *proxy, kith_arena *arena, kith_value **value);

/** How Python shows the object. @param text  receives it; free it with kith_bytes_free. A NUL byte follows, which size
 *  does not count. @return 0; as kith_proxy_call */
KITH_API KITH_MUST_USE int kith_proxy_repr(kith_proxy *proxy, kith_bytes *text);

/* ---- Queue, JoinableQueue: made by (), or (maxsize,) ----
 *
 * At a kith server, the keyword redeliver=True has a message that a client got come again, before all others, when that
 * client ends before it has said task_done. */

/** Puts a value at the tail, waiting while the queue is full. When it returns 0 the server has it.
 *  @return 0; KITH_EFULL when there was no room in time */
KITH_API KITH_MUST_USE int kith_proxy_put(kith_proxy *queue, const kith_value *value, kith_timeout timeout);

/** Puts the items of a list or tuple, in order. With KITH_FOREVER many travel at a time; with another timeout each
 *  waits for the answer to the one before, so that none is put behind one that found no room.
 *  @param timeout  how long to wait for room for each
 *  @return how many were put, all or, when there was no room for one in time or the call failed later, those before it;
 *          a negative code when none was. When the server is gone in the middle, those whose answers had not come may
 *          have been put all the same; and so may those that followed one that the server refused for another reason
 *          than room */
KITH_API KITH_MUST_USE int kith_proxy_put_many(kith_proxy *queue, const kith_value *items, kith_timeout timeout);

/** Takes the value at the head, waiting while there is none.
 *  @return 0; KITH_EEMPTY when there was none in time */
KITH_API KITH_MUST_USE int kith_proxy_get(kith_proxy *queue, kith_arena *arena, kith_value **value,
                                          kith_timeout timeout);

/** Takes up to max values: waits for the first, and takes what is there then.
 *  @param values  receives a list of them
 *  @return how many, 1 or more; KITH_EEMPTY when there was none in time; -EINVAL also when max is 0 */
KITH_API KITH_MUST_USE int kith_proxy_get_many(kith_proxy *queue, kith_arena *arena, kith_value **values, unsigned max,
                                               kith_timeout timeout);

/** Says that a value that was got is done with. It is sent; its answer is read with this thread's next call on the
 *  server, which does not suffer from it: a mistake is told by the next kith_proxy_task_done or kith_proxy_flush.
 *  @return 0; -EINVAL (ValueError) when this thread had said it once too often before */
KITH_API KITH_MUST_USE int kith_proxy_task_done(kith_proxy *queue);

/** Waits until the server has answered all that this thread has sent.
 *  @return 0; what the first answer that was no success says, once */
KITH_API KITH_MUST_USE int kith_proxy_flush(kith_proxy *proxy);

/** Waits until every value that was put is done with. Stock servers know no timeout of join: there, it is
 *  kith_proxy_call's.
 *  @return 0; -ETIMEDOUT */
KITH_API KITH_MUST_USE int kith_proxy_join(kith_proxy *queue, kith_timeout timeout);

/** @return how many values are queued; 1 or 0; a negative code */
KITH_API KITH_MUST_USE int kith_proxy_qsize(kith_proxy *queue);
KITH_API KITH_MUST_USE int kith_proxy_empty(kith_proxy *queue);
KITH_API KITH_MUST_USE int kith_proxy_full(kith_proxy *queue);

/* ---- list, Array, dict, set: what they have in common ---- */

/** @return how many items it has, a negative code; beyond INT_MAX, -EOVERFLOW. Of Array, list, dict, set */
KITH_API KITH_MUST_USE int kith_proxy_length(kith_proxy *container);

/** Whether an item of a list or set, or a key of a dict, equals the value. @return 1 or 0 */
KITH_API KITH_MUST_USE int kith_proxy_contains(kith_proxy *container, const kith_value *value);

/** Removes everything, of list, dict and set. @return 0 */
KITH_API KITH_MUST_USE int kith_proxy_clear(kith_proxy *container);

/* ---- list: made by (), or (items,); Array: by (typecode, items) ----
 *
 * An index below 0 counts from the end: -1 is the last. An Array has kith_proxy_at, kith_proxy_set_at and
 * kith_proxy_slice of these. */

/** @return 0; -ERANGE (IndexError) when there is no such item */
KITH_API KITH_MUST_USE int kith_proxy_at(kith_proxy *list, int64_t index, kith_arena *arena, kith_value **item);
KITH_API KITH_MUST_USE int kith_proxy_set_at(kith_proxy *list, int64_t index, const kith_value *item);
KITH_API KITH_MUST_USE int kith_proxy_delete_at(kith_proxy *list, int64_t index);

/** A slice: the items from start on, before stop, every step-th; KITH_OMITTED for what Python leaves out.
 *  @param items  receives a list of them. @return 0; -EINVAL (ValueError) when step is 0 */
KITH_API KITH_MUST_USE int kith_proxy_slice(kith_proxy *list, int64_t start, int64_t stop, int64_t step,
                                            kith_arena *arena, kith_value **items);

/** Replaces a slice by the items of a list or tuple; with another step than 1 there must be as many.
 *  @return 0; -EINVAL (ValueError) */
KITH_API KITH_MUST_USE int kith_proxy_set_slice(kith_proxy *list, int64_t start, int64_t stop, int64_t step,
                                                const kith_value *items);
#define KITH_OMITTED INT64_MIN

KITH_API KITH_MUST_USE int kith_proxy_append(kith_proxy *list, const kith_value *item);
/** @param items  a list or tuple */
KITH_API KITH_MUST_USE int kith_proxy_extend(kith_proxy *list, const kith_value *items);
KITH_API KITH_MUST_USE int kith_proxy_insert(kith_proxy *list, int64_t index, const kith_value *item);
/** Removes the item at index, and gives it. @return 0; -ERANGE when there is none */
KITH_API KITH_MUST_USE int kith_proxy_pop_at(kith_proxy *list, int64_t index, kith_arena *arena, kith_value **item);
/** Removes the first item that equals this one. @return 0; -EINVAL (ValueError) when there is none */
KITH_API KITH_MUST_USE int kith_proxy_remove(kith_proxy *list, const kith_value *item);
/** @param index  receives where the first item is that equals this one. @return 0; -EINVAL (ValueError) when there is
 *  none */
KITH_API KITH_MUST_USE int kith_proxy_index(kith_proxy *list, const kith_value *item, int64_t *index);
/** @return how many items equal this one */
KITH_API KITH_MUST_USE int kith_proxy_count(kith_proxy *list, const kith_value *item);
/** Sorts in place. @param descending  not 0: the largest first; equal ones keep their order. @return 0; KITH_ETYPE
 *  (TypeError) when two items have no order, and then the list is as it was */
KITH_API KITH_MUST_USE int kith_proxy_sort(kith_proxy *list, int descending);
KITH_API KITH_MUST_USE int kith_proxy_reverse(kith_proxy *list);

/* ---- dict: made by (), (pairs,) or keyword arguments ---- */

/** @return 0; -ENOENT (KeyError) when the key is not there; KITH_ETYPE when it can't be one, as everywhere below */
KITH_API KITH_MUST_USE int kith_proxy_get_item(kith_proxy *dict, const kith_value *key, kith_arena *arena,
                                               kith_value **item);
KITH_API KITH_MUST_USE int kith_proxy_set_item(kith_proxy *dict, const kith_value *key, const kith_value *item);
/** @return 0; -ENOENT */
KITH_API KITH_MUST_USE int kith_proxy_delete_item(kith_proxy *dict, const kith_value *key);
/** Takes the key's item out. @return 0; -ENOENT */
KITH_API KITH_MUST_USE int kith_proxy_pop_item(kith_proxy *dict, const kith_value *key, kith_arena *arena,
                                               kith_value **item);
/** Takes out the pair that came last. @param pair  receives a tuple. @return 0; -ENOENT when the dict is empty */
KITH_API KITH_MUST_USE int kith_proxy_pop_last(kith_proxy *dict, kith_arena *arena, kith_value **pair);
/** The key's item; when there is none, this one is put there first. @return 0 */
KITH_API KITH_MUST_USE int kith_proxy_set_default(kith_proxy *dict, const kith_value *key, const kith_value *item,
                                                  kith_arena *arena, kith_value **result);
/** Sets all pairs of a dict, or of a list of pairs. @return 0 */
KITH_API KITH_MUST_USE int kith_proxy_update(kith_proxy *dict, const kith_value *pairs);
/** @param list  receives a list of keys, of items, or of pairs (tuples), in the order of the keys' coming. @return 0 */
KITH_API KITH_MUST_USE int kith_proxy_keys(kith_proxy *dict, kith_arena *arena, kith_value **list);
KITH_API KITH_MUST_USE int kith_proxy_values(kith_proxy *dict, kith_arena *arena, kith_value **list);
KITH_API KITH_MUST_USE int kith_proxy_items(kith_proxy *dict, kith_arena *arena, kith_value **list);

/* ---- set (in kith's servers, and Python's from 3.14 on): made by (), or (items,) ---- */

KITH_API KITH_MUST_USE int kith_proxy_add(kith_proxy *set, const kith_value *item);
/** @return 0, whether it was there or not */
KITH_API KITH_MUST_USE int kith_proxy_discard(kith_proxy *set, const kith_value *item);

/* ---- Iterator: what a dict's "__iter__", and a pool's imap, return (kith_proxy_call_object) ---- */

/** @return 1 and the next value; 0 at the end; a negative code */
KITH_API KITH_MUST_USE int kith_proxy_next(kith_proxy *iterator, kith_arena *arena, kith_value **value);

/* ---- Namespace: made by (), or keyword arguments; Value: by (typecode, value) ---- */

/** @return 0; KITH_EREMOTE (AttributeError) when there is none of that name */
KITH_API KITH_MUST_USE int kith_proxy_get_attribute(kith_proxy *name_space, const char *name, kith_arena *arena,
                                                    kith_value **value);
KITH_API KITH_MUST_USE int kith_proxy_set_attribute(kith_proxy *name_space, const char *name, const kith_value *value);
KITH_API KITH_MUST_USE int kith_proxy_delete_attribute(kith_proxy *name_space, const char *name);

KITH_API KITH_MUST_USE int kith_proxy_load(kith_proxy *value, kith_arena *arena, kith_value **content);
KITH_API KITH_MUST_USE int kith_proxy_store(kith_proxy *value, const kith_value *content);

/* ---- Lock, RLock, Semaphore, BoundedSemaphore, Condition ----
 *
 * What is acquired belongs to the calling thread, and is given back by a kith server when its process ends, or the
 * connection is lost. */

/** @return 0; -ETIMEDOUT when it was not to be had in time */
KITH_API KITH_MUST_USE int kith_proxy_acquire(kith_proxy *lock, kith_timeout timeout);
/** @return 0; KITH_EREMOTE (RuntimeError) when it is not held, an RLock or Condition by this thread; -EINVAL
 *  (ValueError) when a BoundedSemaphore would exceed its first value */
KITH_API KITH_MUST_USE int kith_proxy_release(kith_proxy *lock);

/** Waits for a notification, releasing the condition meanwhile. @return 0; -ETIMEDOUT; KITH_EREMOTE (RuntimeError)
 *  when this thread does not hold it, as for the others */
KITH_API KITH_MUST_USE int kith_proxy_wait(kith_proxy *condition, kith_timeout timeout);
/** Waits until predicate(argument), which is called while the condition is held, returns not 0.
 *  @return 0; -ETIMEDOUT */
KITH_API KITH_MUST_USE int kith_proxy_wait_for(kith_proxy *condition, int (*predicate)(void *argument), void *argument,
                                               kith_timeout timeout);
KITH_API KITH_MUST_USE int kith_proxy_notify(kith_proxy *condition, unsigned count);
KITH_API KITH_MUST_USE int kith_proxy_notify_all(kith_proxy *condition);

/* ---- Event ---- */

KITH_API KITH_MUST_USE int kith_proxy_event_set(kith_proxy *event);
KITH_API KITH_MUST_USE int kith_proxy_event_clear(kith_proxy *event);
/** @return 1 or 0 */
KITH_API KITH_MUST_USE int kith_proxy_event_is_set(kith_proxy *event);
/** @return 0 once it is set; -ETIMEDOUT */
KITH_API KITH_MUST_USE int kith_proxy_event_wait(kith_proxy *event, kith_timeout timeout);

/* ---- Barrier: made by (parties,), or with timeout=seconds ---- */

/** @return which of the parties this one is, 0 or more; KITH_EBROKEN */
KITH_API KITH_MUST_USE int kith_proxy_barrier_wait(kith_proxy *barrier, kith_timeout timeout);
KITH_API KITH_MUST_USE int kith_proxy_barrier_abort(kith_proxy *barrier);
KITH_API KITH_MUST_USE int kith_proxy_barrier_reset(kith_proxy *barrier);
/** @return the number; 1 or 0; a negative code */
KITH_API KITH_MUST_USE int kith_proxy_barrier_parties(kith_proxy *barrier);
KITH_API KITH_MUST_USE int kith_proxy_barrier_waiting(kith_proxy *barrier);
KITH_API KITH_MUST_USE int kith_proxy_barrier_broken(kith_proxy *barrier);

/* ---- Pool: made by (), or (processes,) ----
 *
 * Its tasks are entry points (KITH_ENTRY) of the server's program, by name; its main must call kith_begin. Of a Python
 * server, they are functions that it can import: "module.name". */

/** Runs a task, and waits for its result.
 *  @param args  a tuple. @return 0; KITH_EREMOTE and others when the task failed */
KITH_API KITH_MUST_USE int kith_proxy_apply(kith_proxy *pool, const char *task, const kith_value *args,
                                            kith_arena *arena, kith_value **result);
/** Begins a task. @param result  receives a proxy of what will be its result; free it with kith_proxy_free */
KITH_API KITH_MUST_USE int kith_proxy_apply_async(kith_proxy *pool, kith_proxy **result, const char *task,
                                                  const kith_value *args);
/** Runs a task for each item of a list. @param results  receives a list, in the same order */
KITH_API KITH_MUST_USE int kith_proxy_map(kith_proxy *pool, const char *task, const kith_value *items,
                                          kith_arena *arena, kith_value **results);
/** The result of kith_proxy_apply_async. @return 0; -ETIMEDOUT; as kith_proxy_apply */
KITH_API KITH_MUST_USE int kith_proxy_result(kith_proxy *result, kith_arena *arena, kith_value **value,
                                             kith_timeout timeout);
/** Takes no more tasks; ends its workers; waits until they have ended, after one of the two. @return 0 */
KITH_API KITH_MUST_USE int kith_proxy_pool_close(kith_proxy *pool);
KITH_API KITH_MUST_USE int kith_proxy_pool_terminate(kith_proxy *pool);
KITH_API KITH_MUST_USE int kith_proxy_pool_join(kith_proxy *pool);

#ifdef __cplusplus
}
#endif

#endif
