/* A C client of a manager: each subcommand uses one family of objects, and says what went otherwise than it should.
 *
 * usage: c_client_program ADDRESS KEY WHAT [ARGUMENT...]   WHAT is one of the names at the end
 *        c_client_program ADDRESS KEY serve                a kith server, until its stdin ends
 */
#include <kith/kith.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER KITH_SECONDS(60)

static const char *address, *key;
static kith_manager *manager;
static kith_arena *arena;

/* ---- saying what is wrong ---- */

static void fail(int line, const char *what, long long got, long long wanted)
{
    printf("line %d: %s: %lld (%s), not %lld (%s): %s; %s\n", line, what, got, kith_error_name((int)got), wanted,
           kith_error_name((int)wanted), kith_error_detail(), kith_proxy_exception());
    exit(1);
}

static void same(int line, const char *what, long long got, long long wanted)
{
    if (got != wanted)
        fail(line, what, got, wanted);
}

#define SAME(got, wanted) same(__LINE__, #got, (got), (wanted))
#define OK(call) SAME(call, 0)

static void same_text(int line, const char *what, const char *got, const char *wanted)
{
    if (strcmp(got, wanted) != 0) {
        printf("line %d: %s: '%s', not '%s'\n", line, what, got, wanted);
        exit(1);
    }
}

#define SAME_TEXT(got, wanted) same_text(__LINE__, #got, (got), (wanted))

/* Python's repr of a value. */
static void shows(int line, const kith_value *value, const char *wanted)
{
    kith_bytes text;
    if (!value || kith_value_repr(value, &text, 0) < 0)
        fail(line, "no value", 0, 0);
    same_text(line, "repr", text.data, wanted);
    kith_bytes_free(&text);
}

#define SHOWS(value, wanted) shows(__LINE__, (value), (wanted))

#define PACK(...) kith_value_pack(arena, __VA_ARGS__)
#define INT(number) kith_value_int(arena, (number))
#define STR(text) kith_value_str(arena, (text))

/* ---- */

static void connect_to(const char *to, const char *with)
{
    OK(kith_manager_connect(&manager, to, &(kith_manager_options){ .authkey = with, .authkey_size = strlen(with) },
                            ANSWER));
}

static kith_proxy *make(const char *type, const kith_value *args)
{
    kith_proxy *proxy;
    SAME(kith_manager_create(manager, &proxy, type, args, NULL), 0);
    return proxy;
}

/* ---- families ---- */

static void test_queue(void)
{
    kith_value *value;
    kith_proxy *queue = make("JoinableQueue", PACK("(i)", 3));
    OK(kith_proxy_put(queue, PACK("{s:[i,n]}", "a", 1), KITH_FOREVER));
    OK(kith_proxy_put(queue, STR("two"), KITH_NOWAIT));
    OK(kith_proxy_put(queue, kith_value_bytes(arena, "\0\1", 2), KITH_SECONDS(5)));
    SAME(kith_proxy_put(queue, INT(4), KITH_NOWAIT), KITH_EFULL);
    SAME_TEXT(kith_proxy_exception(), "queue.Full");
    SAME(kith_proxy_put(queue, INT(4), KITH_MS(1)), KITH_EFULL);
    SAME(kith_proxy_qsize(queue), 3);
    SAME(kith_proxy_full(queue), 1);
    SAME(kith_proxy_empty(queue), 0);
    OK(kith_proxy_get(queue, arena, &value, KITH_FOREVER));
    SHOWS(value, "{'a': [1, None]}");
    OK(kith_proxy_get(queue, arena, &value, KITH_NOWAIT));
    SHOWS(value, "'two'");
    OK(kith_proxy_get(queue, arena, &value, KITH_SECONDS(5)));
    SHOWS(value, "b'\\x00\\x01'");
    SAME(kith_proxy_get(queue, arena, &value, KITH_NOWAIT), KITH_EEMPTY);
    SAME_TEXT(kith_proxy_exception(), "queue.Empty");
    SAME(kith_proxy_get(queue, arena, &value, KITH_MS(1)), KITH_EEMPTY);
    SAME(kith_proxy_put(queue, NULL, KITH_NOWAIT), -EINVAL);
    SAME(kith_proxy_put(queue, INT(1), -7), -EINVAL);
    SAME(kith_proxy_join(queue, KITH_MS(1)), -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        OK(kith_proxy_task_done(queue));
    OK(kith_proxy_flush(queue));
    OK(kith_proxy_join(queue, KITH_FOREVER));
    OK(kith_proxy_task_done(queue));
    SAME(kith_proxy_qsize(queue), 0);
    SAME(kith_proxy_flush(queue), -EINVAL);
    SAME_TEXT(kith_proxy_exception(), "ValueError");
    OK(kith_proxy_flush(queue));
    kith_proxy_free(queue);
}

/* So many of such a size, whatever the sockets' buffers hold. */
static void many(unsigned count, size_t size)
{
    kith_proxy *queue = make("Queue", KITH_NO_ARGS);
    kith_value *list = kith_value_list(arena), *got;
    char *bytes = calloc(1, size);
    for (unsigned i = 0; i < count; i++) {
        snprintf(bytes, size, "%u", i);
        OK(kith_value_append(list, kith_value_bytes(arena, bytes, size)));
    }
    SAME(kith_proxy_put_many(queue, list, KITH_FOREVER), count);
    unsigned seen = 0;
    while (seen < count) {
        int some = kith_proxy_get_many(queue, arena, &got, count, KITH_FOREVER);
        if (some <= 0)
            fail(__LINE__, "get_many", some, 1);
        SAME((long long)kith_value_length(got), some);
        for (int i = 0; i < some; i++, seen++)
            SAME(kith_value_equal(kith_value_at(got, (size_t)i), kith_value_at(list, seen)), 1);
    }
    SAME(kith_proxy_get_many(queue, arena, &got, 5, KITH_NOWAIT), KITH_EEMPTY);
    SAME(kith_proxy_qsize(queue), 0);
    free(bytes);
    kith_proxy_free(queue);
}

static void test_many(void)
{
    many(500, 10);
    many(100, 100000);
    kith_value *got, *list = PACK("[i i i i]", 1, 2, 3, 4);
    kith_proxy *queue = make("Queue", PACK("(i)", 3));
    SAME(kith_proxy_put_many(queue, list, KITH_NOWAIT), 3);
    SAME(kith_proxy_put_many(queue, list, KITH_MS(1)), KITH_EFULL);
    SAME(kith_proxy_get_many(queue, arena, &got, 2, KITH_NOWAIT), 2);
    SHOWS(got, "[1, 2]");
    SAME(kith_proxy_get_many(queue, arena, &got, 1000, KITH_FOREVER), 1);
    SHOWS(got, "[3]");
    SAME(kith_proxy_put_many(queue, kith_value_list(arena), KITH_FOREVER), 0);
    SAME(kith_proxy_put_many(queue, INT(3), KITH_FOREVER), -EINVAL);
    SAME(kith_proxy_get_many(queue, arena, &got, 0, KITH_FOREVER), -EINVAL);
    kith_proxy_free(queue);
}

static void test_list(void)
{
    kith_value *value;
    int64_t index;
    kith_bytes text;
    kith_proxy *list = make("list", PACK("([i i i])", 1, 2, 3));
    SAME(kith_proxy_length(list), 3);
    SAME(kith_proxy_contains(list, INT(2)), 1);
    SAME(kith_proxy_contains(list, STR("2")), 0);
    OK(kith_proxy_at(list, -1, arena, &value));
    SHOWS(value, "3");
    SAME(kith_proxy_at(list, 3, arena, &value), -ERANGE);
    SAME_TEXT(kith_proxy_exception(), "IndexError");
    SAME_TEXT(kith_error_detail(), "IndexError: list index out of range");
    OK(kith_proxy_set_at(list, 0, STR("first")));
    OK(kith_proxy_append(list, PACK("[]")));
    OK(kith_proxy_extend(list, PACK("(i i)", 5, 6)));
    OK(kith_proxy_insert(list, 1, kith_value_float(arena, 0.5)));
    OK(kith_proxy_get_value(list, arena, &value));
    SHOWS(value, "['first', 0.5, 2, 3, [], 5, 6]");
    OK(kith_proxy_repr(list, &text));
    SAME_TEXT(text.data, "['first', 0.5, 2, 3, [], 5, 6]");
    kith_bytes_free(&text);
    OK(kith_proxy_slice(list, 1, KITH_OMITTED, 2, arena, &value));
    SHOWS(value, "[0.5, 3, 5]");
    OK(kith_proxy_slice(list, KITH_OMITTED, KITH_OMITTED, -1, arena, &value));
    SHOWS(value, "[6, 5, [], 3, 2, 0.5, 'first']");
    SAME(kith_proxy_slice(list, 0, 1, 0, arena, &value), -EINVAL);
    OK(kith_proxy_set_slice(list, 0, 2, KITH_OMITTED, PACK("[i]", 9)));
    SAME(kith_proxy_set_slice(list, KITH_OMITTED, KITH_OMITTED, 2, PACK("[i]", 9)), -EINVAL);
    OK(kith_proxy_delete_at(list, 3));
    OK(kith_proxy_pop_at(list, 0, arena, &value));
    SHOWS(value, "9");
    SAME(kith_proxy_pop_at(list, 10, arena, &value), -ERANGE);
    OK(kith_proxy_append(list, INT(2)));
    SAME(kith_proxy_count(list, INT(2)), 2);
    OK(kith_proxy_index(list, INT(5), &index));
    SAME(index, 2);
    SAME(kith_proxy_index(list, INT(55), &index), -EINVAL);
    OK(kith_proxy_remove(list, INT(2)));
    SAME(kith_proxy_remove(list, INT(55)), -EINVAL);
    OK(kith_proxy_sort(list, 1));
    OK(kith_proxy_get_value(list, arena, &value));
    SHOWS(value, "[6, 5, 3, 2]");
    OK(kith_proxy_sort(list, 0));
    OK(kith_proxy_reverse(list));
    OK(kith_proxy_append(list, STR("text")));
    SAME(kith_proxy_sort(list, 0), KITH_ETYPE);
    SAME_TEXT(kith_proxy_exception(), "TypeError");
    OK(kith_proxy_clear(list));
    SAME(kith_proxy_length(list), 0);
    kith_proxy_free(list);
}

static void test_dict(void)
{
    kith_value *value;
    kith_proxy *dict = make("dict", KITH_NO_ARGS), *iterator;
    OK(kith_proxy_set_item(dict, STR("one"), INT(1)));
    OK(kith_proxy_set_item(dict, PACK("(i s)", 2, "b"), PACK("[i]", 2)));
    OK(kith_proxy_set_item(dict, STR("same"), STR("same")));
    SAME(kith_proxy_set_item(dict, PACK("[]"), INT(1)), KITH_ETYPE);
    OK(kith_proxy_get_item(dict, PACK("(i s)", 2, "b"), arena, &value));
    SHOWS(value, "[2]");
    SAME(kith_proxy_get_item(dict, STR("none"), arena, &value), -ENOENT);
    SAME_TEXT(kith_proxy_exception(), "KeyError");
    SAME_TEXT(kith_error_detail(), "KeyError: 'none'");
    OK(kith_proxy_get_item(dict, STR("one"), arena, &value));
    SAME_TEXT(kith_proxy_exception(), "");
    SAME(kith_proxy_contains(dict, STR("one")), 1);
    SAME(kith_proxy_length(dict), 3);
    OK(kith_proxy_set_default(dict, STR("new"), INT(7), arena, &value));
    SHOWS(value, "7");
    OK(kith_proxy_set_default(dict, STR("new"), INT(8), arena, &value));
    SHOWS(value, "7");
    OK(kith_proxy_delete_item(dict, STR("same")));
    SAME(kith_proxy_delete_item(dict, STR("same")), -ENOENT);
    OK(kith_proxy_pop_item(dict, STR("new"), arena, &value));
    SHOWS(value, "7");
    SAME(kith_proxy_pop_item(dict, STR("new"), arena, &value), -ENOENT);
    OK(kith_proxy_update(dict, PACK("{s:i}", "x", 10)));
    OK(kith_proxy_update(dict, PACK("[(s i)]", "y", 11)));
    OK(kith_proxy_keys(dict, arena, &value));
    SHOWS(value, "['one', (2, 'b'), 'x', 'y']");
    OK(kith_proxy_values(dict, arena, &value));
    SHOWS(value, "[1, [2], 10, 11]");
    OK(kith_proxy_items(dict, arena, &value));
    SHOWS(value, "[('one', 1), ((2, 'b'), [2]), ('x', 10), ('y', 11)]");
    OK(kith_proxy_pop_last(dict, arena, &value));
    SHOWS(value, "('y', 11)");
    OK(kith_proxy_call_object(dict, &iterator, "__iter__", KITH_NO_ARGS, NULL, ANSWER));
    SAME_TEXT(kith_proxy_type(iterator), "Iterator");
    SAME(kith_proxy_next(iterator, arena, &value), 1);
    SHOWS(value, "'one'");
    SAME(kith_proxy_next(iterator, arena, &value), 1);
    SAME(kith_proxy_next(iterator, arena, &value), 1);
    SAME(kith_proxy_next(iterator, arena, &value), 0);
    kith_proxy_free(iterator);
    SAME(kith_proxy_call(dict, "__iter__", KITH_NO_ARGS, NULL, arena, &value, ANSWER), KITH_ETYPE);
    SAME(kith_proxy_call_object(dict, &iterator, "__len__", KITH_NO_ARGS, NULL, ANSWER), KITH_ETYPE);
    OK(kith_proxy_get_value(dict, arena, &value));
    SHOWS(value, "{'one': 1, (2, 'b'): [2], 'x': 10}");
    OK(kith_proxy_clear(dict));
    SAME(kith_proxy_pop_last(dict, arena, &value), -ENOENT);
    kith_proxy_free(dict);
    OK(kith_manager_create(manager, &dict, "dict", KITH_NO_ARGS, PACK("{s:i}", "keyword", 1)));
    OK(kith_proxy_get_value(dict, arena, &value));
    SHOWS(value, "{'keyword': 1}");
    kith_proxy_free(dict);
}

/* Only kith's servers, and Python's from 3.14 on. */
static void test_set(void)
{
    kith_value *value;
    kith_proxy *set = make("set", PACK("([i i])", 1, 1));
    OK(kith_proxy_add(set, STR("a")));
    OK(kith_proxy_discard(set, STR("b")));
    SAME(kith_proxy_length(set), 2);
    SAME(kith_proxy_contains(set, STR("a")), 1);
    OK(kith_proxy_discard(set, STR("a")));
    OK(kith_proxy_get_value(set, arena, &value));
    SHOWS(value, "{1}");
    OK(kith_proxy_clear(set));
    SAME(kith_proxy_length(set), 0);
    kith_proxy_free(set);
}

static void test_values(void)
{
    kith_value *value;
    kith_proxy *space, *one, *array;
    OK(kith_manager_create(manager, &space, "Namespace", KITH_NO_ARGS, PACK("{s:i}", "x", 5)));
    OK(kith_proxy_get_attribute(space, "x", arena, &value));
    SHOWS(value, "5");
    OK(kith_proxy_set_attribute(space, "y", PACK("[i]", 6)));
    OK(kith_proxy_get_attribute(space, "y", arena, &value));
    SHOWS(value, "[6]");
    OK(kith_proxy_delete_attribute(space, "x"));
    SAME(kith_proxy_get_attribute(space, "x", arena, &value), KITH_EREMOTE);
    SAME_TEXT(kith_proxy_exception(), "AttributeError");
    kith_proxy_free(space);

    one = make("Value", PACK("(s i)", "i", 7));
    OK(kith_proxy_load(one, arena, &value));
    SHOWS(value, "7");
    OK(kith_proxy_store(one, STR("anything")));
    OK(kith_proxy_load(one, arena, &value));
    SHOWS(value, "'anything'");
    kith_proxy_free(one);

    array = make("Array", PACK("(s [i i i])", "i", 1, 2, 3));
    SAME(kith_proxy_length(array), 3);
    OK(kith_proxy_set_at(array, -1, INT(30)));
    OK(kith_proxy_at(array, 2, arena, &value));
    SHOWS(value, "30");
    OK(kith_proxy_slice(array, 1, KITH_OMITTED, KITH_OMITTED, arena, &value));
    SHOWS(value, "[2, 30]");
    OK(kith_proxy_get_value(array, arena, &value));
    SHOWS(value, "[1, 2, 30]");
    SAME(kith_proxy_set_at(array, 0, STR("no")), KITH_ETYPE);
    SAME(kith_proxy_at(array, 3, arena, &value), -ERANGE);
    SAME(kith_proxy_append(array, INT(1)), KITH_EREMOTE);
    SAME_TEXT(kith_proxy_exception(), "AttributeError");
    kith_proxy_free(array);
}

static int is_true(void *flag)
{
    return *(int *)flag;
}

static void *notifier(void *condition)
{
    OK(kith_proxy_acquire(condition, KITH_FOREVER));
    OK(kith_proxy_notify(condition, 1));
    OK(kith_proxy_notify_all(condition));
    OK(kith_proxy_release(condition));
    return NULL;
}

static void *blocked(void *lock)
{
    SAME(kith_proxy_acquire(lock, KITH_NOWAIT), -ETIMEDOUT);
    SAME(kith_proxy_acquire(lock, KITH_MS(1)), -ETIMEDOUT);
    return NULL;
}

static void in_thread(void *(*main)(void *), void *argument)
{
    pthread_t thread;
    OK(pthread_create(&thread, NULL, main, argument));
    OK(pthread_join(thread, NULL));
}

static void test_locks(void)
{
    pthread_t thread;
    int flag = 1;
    kith_proxy *lock = make("Lock", KITH_NO_ARGS);
    OK(kith_proxy_acquire(lock, KITH_FOREVER));
    in_thread(blocked, lock);
    OK(kith_proxy_release(lock));
    SAME(kith_proxy_release(lock), KITH_EREMOTE);
    SAME_TEXT(kith_proxy_exception(), "RuntimeError");
    kith_proxy_free(lock);

    lock = make("RLock", KITH_NO_ARGS);
    OK(kith_proxy_acquire(lock, KITH_NOWAIT));
    OK(kith_proxy_acquire(lock, KITH_SECONDS(5)));
    in_thread(blocked, lock);
    OK(kith_proxy_release(lock));
    OK(kith_proxy_release(lock));
    SAME(kith_proxy_release(lock), KITH_EREMOTE);
    kith_proxy_free(lock);

    lock = make("BoundedSemaphore", PACK("(i)", 2));
    OK(kith_proxy_acquire(lock, KITH_FOREVER));
    OK(kith_proxy_acquire(lock, KITH_NOWAIT));
    in_thread(blocked, lock);
    OK(kith_proxy_release(lock));
    OK(kith_proxy_release(lock));
    SAME(kith_proxy_release(lock), -EINVAL);
    kith_proxy_free(lock);

    lock = make("Semaphore", KITH_NO_ARGS);
    OK(kith_proxy_release(lock));
    OK(kith_proxy_acquire(lock, KITH_FOREVER));
    OK(kith_proxy_acquire(lock, KITH_FOREVER));
    SAME(kith_proxy_acquire(lock, KITH_NOWAIT), -ETIMEDOUT);
    kith_proxy_free(lock);

    kith_proxy *condition = make("Condition", KITH_NO_ARGS);
    SAME(kith_proxy_wait(condition, KITH_FOREVER), KITH_EREMOTE);
    OK(kith_proxy_acquire(condition, KITH_FOREVER));
    SAME(kith_proxy_wait(condition, KITH_MS(1)), -ETIMEDOUT);
    OK(kith_proxy_wait_for(condition, is_true, &flag, KITH_NOWAIT));
    flag = 0;
    SAME(kith_proxy_wait_for(condition, is_true, &flag, KITH_MS(2)), -ETIMEDOUT);
    OK(pthread_create(&thread, NULL, notifier, condition));
    OK(kith_proxy_wait(condition, KITH_FOREVER));
    OK(kith_proxy_release(condition));
    OK(pthread_join(thread, NULL));
    kith_proxy_free(condition);
}

static void *setter(void *event)
{
    OK(kith_proxy_event_set(event));
    return NULL;
}

static void *party(void *barrier)
{
    return (void *)(intptr_t)kith_proxy_barrier_wait(barrier, KITH_FOREVER);
}

static void test_signals(void)
{
    pthread_t thread;
    void *other;
    kith_proxy *event = make("Event", KITH_NO_ARGS);
    SAME(kith_proxy_event_is_set(event), 0);
    SAME(kith_proxy_event_wait(event, KITH_MS(1)), -ETIMEDOUT);
    OK(pthread_create(&thread, NULL, setter, event));
    OK(kith_proxy_event_wait(event, KITH_FOREVER));
    OK(pthread_join(thread, NULL));
    SAME(kith_proxy_event_is_set(event), 1);
    OK(kith_proxy_event_clear(event));
    SAME(kith_proxy_event_is_set(event), 0);
    kith_proxy_free(event);

    kith_proxy *barrier = make("Barrier", PACK("(i)", 2));
    SAME(kith_proxy_barrier_parties(barrier), 2);
    OK(pthread_create(&thread, NULL, party, barrier));
    int mine = kith_proxy_barrier_wait(barrier, KITH_FOREVER);
    OK(pthread_join(thread, &other));
    SAME(mine + (int)(intptr_t)other, 1);
    SAME(kith_proxy_barrier_waiting(barrier), 0);
    SAME(kith_proxy_barrier_wait(barrier, KITH_MS(1)), KITH_EBROKEN);
    SAME(kith_proxy_barrier_broken(barrier), 1);
    SAME(kith_proxy_barrier_wait(barrier, KITH_FOREVER), KITH_EBROKEN);
    SAME_TEXT(kith_proxy_exception(), "threading.BrokenBarrierError");
    OK(kith_proxy_barrier_reset(barrier));
    SAME(kith_proxy_barrier_broken(barrier), 0);
    OK(kith_proxy_barrier_abort(barrier));
    SAME(kith_proxy_barrier_broken(barrier), 1);
    kith_proxy_free(barrier);
}

static void test_pool(void)
{
    kith_value *value;
    kith_proxy *pool = make("Pool", PACK("(i)", 1)), *result;
    OK(kith_proxy_apply(pool, "operator.add", PACK("(i i)", 20, 3), arena, &value));
    SHOWS(value, "23");
    SAME(kith_proxy_apply(pool, "operator.truediv", PACK("(i i)", 1, 0), arena, &value), KITH_EREMOTE);
    SAME_TEXT(kith_proxy_exception(), "ZeroDivisionError");
    OK(kith_proxy_map(pool, "len", PACK("[s s]", "a", "bc"), arena, &value));
    SHOWS(value, "[1, 2]");
    OK(kith_proxy_apply_async(pool, &result, "time.sleep", PACK("(f)", 0.2)));
    SAME(kith_proxy_result(result, arena, &value, KITH_NOWAIT), -ETIMEDOUT);
    OK(kith_proxy_result(result, arena, &value, KITH_FOREVER));
    SHOWS(value, "None");
    kith_proxy_free(result);
    OK(kith_proxy_pool_close(pool));
    OK(kith_proxy_pool_join(pool));
    kith_proxy_free(pool);
    pool = make("Pool", PACK("(i)", 1));
    OK(kith_proxy_pool_terminate(pool));
    OK(kith_proxy_pool_join(pool));
    kith_proxy_free(pool);
}

/* ---- what is no family ---- */

static void test_refusals(void)
{
    kith_proxy *proxy;
    kith_value *value;
    SAME(kith_manager_create(manager, &proxy, "no_such_type", KITH_NO_ARGS, NULL), -ENOENT);
    SAME_TEXT(kith_proxy_exception(), "KeyError");
    SAME(kith_manager_create(manager, &proxy, "list", PACK("(i)", 5), NULL), KITH_ETYPE);
    SAME(kith_manager_create(manager, &proxy, "list", NULL, NULL), -EINVAL);
    SAME(kith_manager_create(manager, &proxy, "list", PACK("[]"), NULL), -EINVAL);
    SAME(kith_manager_create(manager, &proxy, NULL, KITH_NO_ARGS, NULL), -EINVAL);
    SAME(kith_manager_create(NULL, &proxy, "list", KITH_NO_ARGS, NULL), -EINVAL);
    proxy = make("list", KITH_NO_ARGS);
    SAME(kith_proxy_call(proxy, "no_such_method", KITH_NO_ARGS, NULL, arena, &value, ANSWER), KITH_EREMOTE);
    SAME_TEXT(kith_proxy_exception(), "AttributeError");
    SAME(kith_proxy_call(proxy, "append", KITH_NO_ARGS, NULL, NULL, NULL, ANSWER), KITH_ETYPE);
    SAME(kith_proxy_call(proxy, NULL, KITH_NO_ARGS, NULL, NULL, NULL, ANSWER), -EINVAL);
    SAME(kith_proxy_call(proxy, "pop", KITH_NO_ARGS, NULL, NULL, &value, ANSWER), -EINVAL);
    SAME(kith_proxy_call(proxy, "pop", KITH_NO_ARGS, NULL, NULL, NULL, -3), -EINVAL);
    SAME(kith_proxy_append(proxy, NULL), -EINVAL);
    SAME(kith_proxy_append(NULL, STR("x")), -EINVAL);
    SAME(kith_proxy_from_value(manager, &proxy, STR("x")), KITH_ETYPE);
    SAME(kith_proxy_length(proxy), 0);
    kith_proxy_free(proxy);
    kith_proxy_free(NULL);
}

static void test_nested(void)
{
    kith_value *value;
    kith_proxy *outer = make("list", KITH_NO_ARGS), *inner = make("list", PACK("([i])", 1)),
               *dict = make("dict", KITH_NO_ARGS), *again, *third;
    OK(kith_proxy_append(outer, kith_proxy_value(inner, arena)));
    OK(kith_proxy_append(outer, kith_proxy_value(dict, arena)));
    OK(kith_proxy_set_item(dict, STR("inner"), kith_proxy_value(inner, arena)));
    OK(kith_proxy_at(outer, 0, arena, &value));
    SAME(kith_value_is_proxy(value), 1);
    SAME(kith_value_is_proxy(INT(1)), 0);
    OK(kith_proxy_from_value(manager, &again, value));
    SAME_TEXT(kith_proxy_id(again), kith_proxy_id(inner));
    OK(kith_proxy_append(again, INT(2)));
    OK(kith_proxy_get_value(inner, arena, &value));
    SHOWS(value, "[1, 2]");
    kith_proxy_free(again);
    kith_proxy_free(inner); /* the others hold it */
    OK(kith_proxy_get_item(dict, STR("inner"), arena, &value));
    OK(kith_proxy_from_value(manager, &third, value));
    SAME(kith_proxy_length(third), 2);
    kith_proxy_free(third);
    kith_proxy_free(dict);
    kith_proxy_free(outer);
}

/* Python has put proxies of its own into a queue of that name, and waits for ours. */
static void test_passing(void)
{
    kith_value *value;
    kith_proxy *queue = make("shared", KITH_NO_ARGS), *list, *space;
    OK(kith_proxy_get(queue, arena, &value, KITH_FOREVER));
    OK(kith_proxy_from_value(manager, &list, value));
    SAME_TEXT(kith_proxy_type(list), "list");
    OK(kith_proxy_append(list, STR("from C")));
    OK(kith_proxy_get(queue, arena, &value, KITH_FOREVER));
    OK(kith_proxy_from_value(manager, &space, value));
    OK(kith_proxy_set_attribute(space, "name", STR("from C")));
    OK(kith_proxy_task_done(queue));
    OK(kith_proxy_task_done(queue));
    kith_proxy *mine = make("Queue", KITH_NO_ARGS), *counter = make("Counter", PACK("(i)", 5));
    OK(kith_proxy_put(queue, kith_proxy_value(mine, arena), KITH_FOREVER));
    OK(kith_proxy_put(queue, kith_proxy_value(counter, arena), KITH_FOREVER));
    OK(kith_proxy_put(queue, kith_proxy_value(list, arena), KITH_FOREVER));
    OK(kith_proxy_get(mine, arena, &value, KITH_FOREVER));
    SHOWS(value, "'from Python'");
    kith_proxy_free(list);
    kith_proxy_free(space);
    kith_proxy_free(counter);
    kith_proxy_free(mine);
    kith_proxy_free(queue);
}

/* A type that only Python has: counts, and raises. */
static void test_own_type(void)
{
    kith_value *value;
    kith_proxy *counter = make("Counter", PACK("(i)", 5));
    OK(kith_proxy_call(counter, "add", PACK("(i)", 3), NULL, arena, &value, ANSWER));
    SHOWS(value, "8");
    OK(kith_proxy_call(counter, "add", KITH_NO_ARGS, PACK("{s:i}", "step", 2), arena, &value, ANSWER));
    SHOWS(value, "10");
    static const struct {
        const char *exception;
        int code;
    } table[] = {
        { "KeyError", -ENOENT },         { "IndexError", -ERANGE },
        { "ValueError", -EINVAL },       { "TypeError", KITH_ETYPE },
        { "TimeoutError", -ETIMEDOUT },  { "MemoryError", -ENOMEM },
        { "PermissionError", -EACCES },  { "OverflowError", -EOVERFLOW },
        { "LookupError", KITH_EREMOTE }, { "decimal.InvalidOperation", KITH_EREMOTE },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        SAME(kith_proxy_call(counter, "fail", PACK("(s)", table[i].exception), NULL, NULL, NULL, ANSWER),
             table[i].code);
        SAME_TEXT(kith_proxy_exception(), table[i].exception);
    }
    SAME(kith_proxy_call(counter, "unpicklable", KITH_NO_ARGS, NULL, NULL, NULL, ANSWER), KITH_EREMOTE);
    OK(kith_proxy_call(counter, "echo", PACK("(v)", kith_object_global(arena, "decimal", "Decimal")), NULL, arena,
                       &value, ANSWER));
    SAME(kith_object_is(value, "decimal", "Decimal"), 1);
    char *large = calloc(1, 1 << 20);
    memset(large, 'x', (1 << 20) - 1);
    OK(kith_proxy_call(counter, "echo", PACK("(s)", large), NULL, arena, &value, ANSWER));
    SAME((long long)kith_value_length(value), (1 << 20) - 1);
    free(large);
    kith_proxy_free(counter);
}

/* A call that takes longer than we wait closes the line, and what this thread holds goes with it at a kith server. */
static void test_timeout(void)
{
    kith_proxy *event = make("Event", KITH_NO_ARGS);
    SAME(kith_proxy_call(event, "wait", KITH_NO_ARGS, NULL, NULL, NULL, KITH_MS(20)), -ETIMEDOUT);
    OK(kith_proxy_event_set(event));
    OK(kith_proxy_call(event, "wait", KITH_NO_ARGS, NULL, NULL, NULL, ANSWER));
    kith_proxy_free(event);
}

static void ignore(int number)
{
    (void)number;
}

static void *interrupter(void *main_thread)
{
    for (int i = 0; i < 20; i++) {
        pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
        usleep(1000);
    }
    return NULL;
}

static void test_interrupted(void)
{
    pthread_t self = pthread_self(), thread;
    kith_proxy *event = make("Event", KITH_NO_ARGS);
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = ignore }, NULL);
    OK(pthread_create(&thread, NULL, interrupter, &self));
    SAME(kith_proxy_event_wait(event, KITH_MS(50)), -ETIMEDOUT);
    OK(pthread_join(thread, NULL));
    kith_proxy_free(event);
}

/* ---- threads and processes ---- */

enum { THREADS = 8, PER_THREAD = 50 };

static void *putter(void *queue)
{
    kith_arena *own;
    OK(kith_arena_new(&own));
    for (int i = 0; i < PER_THREAD; i++)
        OK(kith_proxy_put(queue, kith_value_int(own, i), KITH_FOREVER));
    kith_arena_free(own);
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    kith_value *value;
    int64_t number, sum = 0;
    kith_proxy *queue = make("Queue", KITH_NO_ARGS);
    for (int i = 0; i < THREADS; i++)
        OK(pthread_create(&threads[i], NULL, putter, queue));
    for (int i = 0; i < THREADS * PER_THREAD; i++) {
        OK(kith_proxy_get(queue, arena, &value, KITH_FOREVER));
        OK(kith_value_as_int(value, &number));
        sum += number;
    }
    for (int i = 0; i < THREADS; i++)
        OK(pthread_join(threads[i], NULL));
    SAME(sum, THREADS * PER_THREAD * (PER_THREAD - 1) / 2);
    SAME(kith_proxy_qsize(queue), 0);
    kith_proxy_free(queue);
}

static void test_fork(void)
{
    kith_value *value;
    kith_proxy *queue = make("Queue", KITH_NO_ARGS), *lock = make("Lock", KITH_NO_ARGS),
               *unused = make("list", KITH_NO_ARGS);
    int status, before = kith_manager_number_of_objects(manager);
    OK(kith_proxy_acquire(lock, KITH_FOREVER));
    pid_t child = fork();
    if (child == 0) {
        SAME(kith_proxy_acquire(lock, KITH_MS(1)), -ETIMEDOUT);
        OK(kith_proxy_put(queue, INT(getpid()), KITH_FOREVER));
        kith_proxy_free(queue);
        kith_proxy_free(lock);
        kith_proxy_free(unused);
        kith_manager_free(manager);
        kith_arena_free(arena);
        exit(0);
    }
    SAME(waitpid(child, &status, 0), child);
    SAME(status, 0);
    OK(kith_proxy_get(queue, arena, &value, KITH_FOREVER));
    SAME(kith_value_equal(value, INT(child)), 1);
    OK(kith_proxy_release(lock));
    SAME(kith_proxy_length(unused), 0);
    SAME(kith_manager_number_of_objects(manager), before);
    kith_proxy_free(queue);
    kith_proxy_free(lock);
    kith_proxy_free(unused);
}

/* Proxies come and go, and nothing is left. */
/* Servers are told the name of who connects, or as much of it as there is room for. */
static void test_names(void)
{
    enum { LETTERS = 100 };
    char name[2 * LETTERS + 2] = "x";
    for (int i = 0; i < LETTERS; i++)
        strcat(name, "\u00fc");
    kith_proxy *event = make("Event", KITH_NO_ARGS);
    OK(kith_process_set_name(kith_process_current(), name));
    in_thread(setter, event);
    OK(kith_process_set_name(kith_process_current(), name + 1));
    SAME(kith_proxy_event_is_set(event), 1);
    kith_proxy_free(event);
}

static void test_references(void)
{
    int before = kith_manager_number_of_objects(manager);
    for (int i = 0; i < 200; i++) {
        kith_proxy *proxy = make("dict", KITH_NO_ARGS);
        kith_proxy_free(proxy);
    }
    SAME(kith_manager_number_of_objects(manager), before);
}

/* ---- ends ---- */

/* Waits in a call until the server is killed, which whoever reads our stdout does. */
static void test_killed(void)
{
    kith_value *value;
    kith_proxy *queue = make("Queue", KITH_NO_ARGS);
    printf("waiting\n");
    fflush(stdout);
    SAME(kith_proxy_get(queue, arena, &value, KITH_FOREVER), KITH_ECLOSED);
    SAME(kith_proxy_qsize(queue), KITH_ECLOSED);
    SAME(kith_manager_number_of_objects(manager), KITH_ECLOSED);
    kith_proxy_free(queue);
}

static void test_shutdown(void)
{
    kith_proxy *list = make("list", KITH_NO_ARGS);
    OK(kith_manager_shutdown(manager));
    kith_proxy_free(list);
}

static void test_wrong_key(void)
{
    kith_manager *other;
    SAME(
        kith_manager_connect(&other, address, &(kith_manager_options){ .authkey = "wrong", .authkey_size = 5 }, ANSWER),
        KITH_EAUTH);
    SAME(kith_manager_connect(&other, NULL, NULL, ANSWER), -EINVAL);
    SAME(kith_manager_connect(NULL, address, NULL, ANSWER), -EINVAL);
    SAME(kith_manager_connect(&other, "unix:/nonexistent/socket", NULL, ANSWER), -ENOENT);
}

static void test_handle(void)
{
    size_t size;
    SAME_TEXT(kith_manager_address(manager), address);
    SAME(memcmp(kith_manager_authkey(manager, &size), key, strlen(key)), 0);
    SAME((long long)size, (long long)strlen(key));
    SAME(kith_manager_is_kith(manager), getenv("KITH_SERVER") != NULL);
}

/* ---- a kith server ---- */

static void *stop_at_end(void *server)
{
    while (getchar() != EOF)
        ;
    kith_server_stop(server);
    return NULL;
}

static void serve(void)
{
    pthread_t thread;
    kith_server *server;
    kith_server_options options = { .listener = { .authkey = key, .authkey_size = strlen(key) } };
    OK(kith_server_new(&server, address, &options));
    printf("%s\n", kith_server_address(server));
    fflush(stdout);
    OK(pthread_create(&thread, NULL, stop_at_end, server));
    OK(kith_server_run(server));
    OK(pthread_detach(thread));
    exit(0);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    { "queue", test_queue },       { "many", test_many },         { "list", test_list },
    { "dict", test_dict },         { "set", test_set },           { "values", test_values },
    { "locks", test_locks },       { "signals", test_signals },   { "pool", test_pool },
    { "refusals", test_refusals }, { "nested", test_nested },     { "passing", test_passing },
    { "own_type", test_own_type }, { "timeout", test_timeout },   { "interrupted", test_interrupted },
    { "threads", test_threads },   { "fork", test_fork },         { "references", test_references },
    { "killed", test_killed },     { "shutdown", test_shutdown }, { "wrong_key", test_wrong_key },
    { "names", test_names },       { "handle", test_handle },
};

int main(int count, char **arguments)
{
    if (count < 4) {
        fprintf(stderr, "usage: c_client_program ADDRESS KEY WHAT...\n");
        return 2;
    }
    address = arguments[1];
    key = arguments[2];
    if (strcmp(arguments[3], "serve") == 0)
        serve();
    OK(kith_arena_new(&arena));
    connect_to(address, key);
    for (int i = 3; i < count; i++) {
        for (size_t j = 0; j < sizeof tests / sizeof *tests; j++) {
            if (strcmp(tests[j].name, arguments[i]) == 0)
                tests[j].run();
        }
    }
    kith_manager_free(manager);
    kith_arena_free(arena);
    return 0;
}
