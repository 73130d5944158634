/* Proxies: how they come to be, what they refer to, and how they end. */
#include "manager/proxy.h"

#include "manager/exception.h"
#include "manager/proxy_call.h"
#include "manager/server_call.h"
#include "manager/token.h"

#include <stdlib.h>

/* How long a proxy that ends may take to connect to its server. */
#define FAREWELL KITH_SECONDS(1)

/* ---- which class of Python's stands for it ---- */

static bool exposes(const kith_value *exposed, const char *method)
{
    for (size_t i = 0; i < kith_value_length(exposed); i++) {
        const char *name;
        if (kith_value_as_str(kith_value_at(exposed, i), &name, NULL) == 0 && strcmp(name, method) == 0)
            return true;
    }
    return false;
}

/* Python makes of AutoProxy a class that has just the methods that are exposed. That does for all but those that ask
 * for attributes by __getattribute__, which would be asked for its own, too.
 * @return the class's name; NULL: AutoProxy */
static const char *class_of(const char *type, const kith_value *exposed)
{
    static const struct {
        const char *type, *class;
    } table[] = {
        { "list", "ListProxy" },
        { "dict", "DictProxy" },
        { "Value", "ValueProxy" },
        { "Array", "ArrayProxy" },
        { "Namespace", "NamespaceProxy" },
        { "Iterator", "IteratorProxy" },
        { "Event", "EventProxy" },
        { "Lock", "AcquirerProxy" },
        { "RLock", "AcquirerProxy" },
        { "Semaphore", "AcquirerProxy" },
        { "BoundedSemaphore", "AcquirerProxy" },
        { "Condition", "ConditionProxy" },
        { "Barrier", "BarrierProxy" },
        { "Pool", "PoolProxy" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].type, type) == 0)
            return table[i].class;
    }
    if (!exposes(exposed, "__getattribute__"))
        return NULL;
    return exposes(exposed, "__setattr__") ? "NamespaceProxy" : "BarrierProxy";
}

/* ---- making one ---- */

static void free_handle(kith_proxy *proxy)
{
    near_client_end(&proxy->near);
    kith_arena_free(proxy->arena);
    free(proxy);
}

static int new_handle(kith_proxy **proxy, kith_manager *manager, const char *type, const char *id)
{
    kith_proxy *made = calloc(1, sizeof *made);
    if (!made || kith_arena_new(&made->arena) < 0) {
        free(made);
        return error_fail(-ENOMEM, "no memory for a proxy");
    }
    made->manager = manager;
    made->type = arena_copy(made->arena, type, strlen(type));
    made->id = arena_copy(made->arena, id, strlen(id));
    *proxy = made;
    return 0;
}

/* Its value was put into its arena. */
static int finish(kith_proxy **proxy, kith_proxy *made, unsigned life)
{
    int code = made->value ? kith_arena_error(made->arena) : -ENOMEM;
    if (code < 0) {
        free_handle(made);
        return code;
    }
    atomic_init(&made->taken, life);
    *proxy = made;
    return 0;
}

/* Of an object that the server has just named, and taken a reference to for us. */
static int proxy_new(kith_proxy **proxy, kith_manager *manager, const char *type, const char *id,
                     const kith_value *exposed, unsigned life)
{
    kith_proxy *made;
    int code = new_handle(&made, manager, type, id);
    if (code < 0)
        return code;
    kith_arena *arena = made->arena;
    kith_value *token = token_value(arena, type, token_address(arena, manager->address), id);
    const char *class = class_of(type, exposed);
    made->value = proxy_value(arena, class, token, class ? NULL : kith_value_copy(arena, exposed));
    return finish(proxy, made, life);
}

/* Who frees a proxy is not to wait for a server that does not serve. A lasting line is not given up for that: what its
 * thread has acquired would be lost with it. */
static deadline farewell(const kith_manager *manager)
{
    deadline until = DEADLINE_PASSED;
    (void)deadline_from(FAREWELL, &until); /* which is a good one */
    return client_patience(manager, until);
}

static void give_back(kith_manager *manager, const char *id)
{
    (void)server_call_post(manager, "decref", id, farewell(manager));
}

static unsigned life_of(kith_manager *manager)
{
    thread_lines_adopt(manager);
    return atomic_load_explicit(&manager->life, memory_order_relaxed);
}

/* @param pair  the id, and what is exposed */
static int take_created(kith_manager *manager, kith_proxy **proxy, const char *type, const kith_value *pair,
                        unsigned life)
{
    const char *id;
    kith_value *exposed;
    if (kith_value_unpack(pair, "(sv)", &id, &exposed) < 0)
        return error_fail(KITH_EMALFORMED, "what the server has created is no pair of an id and methods");
    int code = proxy_new(proxy, manager, type, id, exposed, life);
    if (code < 0)
        give_back(manager, id);
    return code;
}

int kith_manager_create(kith_manager *manager, kith_proxy **proxy, const char *type, const kith_value *args,
                        const kith_value *kwargs)
{
    kith_arena *arena;
    kith_value *pair;
    int code = client_check(manager, "manager");
    if (code == 0)
        code = client_check(proxy, "proxy");
    if (code == 0)
        code = proxy_check_call(type, args, kwargs);
    if (code == 0)
        code = kith_arena_new(&arena);
    if (code < 0)
        return code;
    const struct question question = {
        .method = "create",
        .text = type,
        .items = (const kith_value *const *)args->sequence->items,
        .count = args->sequence->count,
        .kwargs = kwargs,
    };
    code = server_call(manager, &question, arena, &pair, OS_FOREVER);
    if (code == 0)
        code = take_created(manager, proxy, type, pair, life_of(manager));
    kith_arena_free(arena);
    return code;
}

/* ---- references ---- */

/* Whether this process has a reference to the object at the server that is there now, as far as it can be reached. */
static bool is_held(kith_proxy *proxy)
{
    kith_manager *manager = proxy->manager;
    struct thread_line *line;
    unsigned taken = atomic_load_explicit(&proxy->taken, memory_order_relaxed);
    if (taken != life_of(manager))
        return false;
    if (!manager->is_kith || manager->is_tcp) /* there, the loss of the keeper tells */
        return true;
    return thread_line_open(manager, &line, farewell(manager)) == 0 && taken == life_of(manager);
}

int proxy_hold(kith_proxy *proxy, deadline until)
{
    unsigned life = life_of(proxy->manager);
    unsigned taken = atomic_load_explicit(&proxy->taken, memory_order_relaxed);
    if (taken == life || !atomic_compare_exchange_strong_explicit(&proxy->taken, &taken, life, memory_order_relaxed,
                                                                  memory_order_relaxed))
        return 0;
    int code = server_call_for(proxy->manager, "incref", proxy->id, until);
    if (code < 0)
        atomic_store_explicit(&proxy->taken, 0, memory_order_relaxed);
    return code;
}

void kith_proxy_free(kith_proxy *proxy)
{
    if (!proxy)
        return;
    if (is_held(proxy))
        give_back(proxy->manager, proxy->id);
    free_handle(proxy);
}

/* ---- objects that methods return ---- */

/* @param pair  what is exposed, and a token */
static int read_object(const kith_value *pair, const char **type, const char **id, kith_value **exposed)
{
    const kith_value *address;
    kith_value *token;
    int code = kith_value_unpack(pair, "(vv)", exposed, &token);
    return code < 0 ? code : token_read(token, type, &address, id);
}

/* At a kith server by TCP, the reference is the calling line's. Makes it the keeper's. */
static int move_reference(struct thread_line *line, const char *id, deadline until)
{
    kith_manager *manager = line->manager;
    kith_value *result;
    if (!manager->is_kith || !manager->is_tcp)
        return 0;
    int code = server_call_for(manager, "incref", id, until);
    (void)server_call_on(line, &(struct question){ .method = "decref", .text = id }, "", line->arena, &result, until);
    return code;
}

static int take_object(struct thread_line *line, kith_proxy **object, const kith_value *pair, deadline until)
{
    const char *type, *id;
    kith_value *exposed;
    int code = read_object(pair, &type, &id, &exposed);
    if (code < 0)
        return code;
    unsigned life = life_of(line->manager);
    code = move_reference(line, id, until);
    if (code == 0 && (code = proxy_new(object, line->manager, type, id, exposed, life)) < 0)
        give_back(line->manager, id);
    return code;
}

int proxy_refuse_object(struct thread_line *line, const kith_value *pair, deadline until)
{
    kith_proxy *object;
    int code = take_object(line, &object, pair, until);
    if (code < 0)
        return code;
    kith_proxy_free(object);
    return error_fail(KITH_ETYPE, "the method returns an object: use kith_proxy_call_object");
}

/* ---- the general calls ---- */

int proxy_check_call(const char *name, const kith_value *args, const kith_value *kwargs)
{
    if (!name || !value_is_text(name, strlen(name)))
        return error_fail(-EINVAL, "a method's or type's name is %s", name ? "no UTF-8" : "NULL");
    if (!args)
        return error_refuse_null("args are NULL: give KITH_NO_ARGS for none", "; before: ");
    if (args->kind != KITH_TUPLE)
        return error_fail(-EINVAL, "args are of the kind %s: give a tuple", kith_kind_name(args->kind));
    if (kwargs && kwargs->kind != KITH_DICT)
        return error_fail(-EINVAL, "kwargs are of the kind %s: give a dict", kith_kind_name(kwargs->kind));
    return 0;
}

int kith_proxy_call(kith_proxy *proxy, const char *method, const kith_value *args, const kith_value *kwargs,
                    kith_arena *arena, kith_value **result, kith_timeout timeout)
{
    deadline until;
    int code = client_deadline(timeout, &until);
    if (code == 0)
        code = client_check(proxy, "proxy");
    if (code == 0)
        code = proxy_check_call(method, args, kwargs);
    if (code == 0 && result && !arena)
        code = client_check(arena, "arena");
    if (code < 0)
        return code;
    const struct question question = {
        .method = method,
        .items = (const kith_value *const *)args->sequence->items,
        .count = args->sequence->count,
        .kwargs = kwargs,
    };
    return proxy_call(proxy, &question, result ? arena : NULL, result, until);
}

int kith_proxy_call_object(kith_proxy *proxy, kith_proxy **object, const char *method, const kith_value *args,
                           const kith_value *kwargs, kith_timeout timeout)
{
    deadline until;
    struct thread_line *line;
    kith_value *pair;
    int code = client_deadline(timeout, &until);
    if (code == 0)
        code = client_check(object, "object");
    if (code == 0)
        code = proxy_check_call(method, args, kwargs);
    if (code == 0)
        code = proxy_begin(proxy, &line, until);
    if (code < 0)
        return code;
    const struct question question = {
        .method = method,
        .items = (const kith_value *const *)args->sequence->items,
        .count = args->sequence->count,
        .kwargs = kwargs,
    };
    code = proxy_ask(proxy, line, &question, line->arena, &pair, until);
    if (code == ANSWER_OBJECT)
        code = take_object(line, object, pair, until);
    else if (code == ANSWER_VALUE)
        code = error_fail(KITH_ETYPE, "the method returns a value of the kind %s, and no object: use kith_proxy_call",
                          kith_kind_name(kith_value_kind(pair)));
    kith_arena_reset(line->arena);
    return code;
}

/* ---- proxies as values ---- */

kith_value *kith_proxy_value(const kith_proxy *proxy, kith_arena *arena)
{
    return proxy && arena ? kith_value_copy(arena, proxy->value) : NULL;
}

int kith_value_is_proxy(const kith_value *value)
{
    return proxy_token(value) != NULL;
}

int kith_proxy_from_value(kith_manager *manager, kith_proxy **proxy, const kith_value *value)
{
    const kith_value *address;
    const char *type, *id;
    kith_proxy *made;
    int code = client_check(manager, "manager");
    if (code == 0)
        code = client_check(proxy, "proxy");
    if (code == 0 && !kith_value_is_proxy(value))
        code = error_fail(KITH_ETYPE, "a value of the kind %s is no proxy", kith_kind_name(kith_value_kind(value)));
    if (code == 0)
        code = token_read(proxy_token(value), &type, &address, &id);
    if (code == 0)
        code = token_is_at(address, manager->address)
                   ? 0
                   : error_fail(-EXDEV, "the proxy is of another server than the one at %s", manager->address);
    if (code == 0)
        code = new_handle(&made, manager, type, id);
    if (code < 0)
        return code;
    made->value = kith_value_copy(made->arena, value);
    code = finish(&made, made, 0);
    if (code == 0) {
        code = proxy_hold(made, OS_FOREVER);
        if (code < 0)
            free_handle(made);
        else
            *proxy = made;
    }
    return code;
}

const char *kith_proxy_type(const kith_proxy *proxy)
{
    return proxy ? proxy->type : "";
}

const char *kith_proxy_id(const kith_proxy *proxy)
{
    return proxy ? proxy->id : "";
}
