#include "manager/iterator.h"

#include "base/error.h"
#include "manager/kind.h"

#include <errno.h>
#include <stdlib.h>

struct iterator {
    struct object *source; /* held; NULL at the end */
    const struct dictionary *dictionary;
    const char *what;
    size_t place;
    size_t count;    /* how many there were when it began */
    uint64_t closed; /* the same of dictionary->closed */
};

int iterator_answer(struct request *request, const struct dictionary *dictionary, const char *what)
{
    struct iterator *iterator = malloc(sizeof *iterator);
    struct object *object;
    if (!iterator)
        return error_fail(-ENOMEM, "no memory for an iterator");
    *iterator = (struct iterator){ .source = object_hold(request->object),
                                   .dictionary = dictionary,
                                   .what = what,
                                   .count = dictionary->count,
                                   .closed = dictionary->closed };
    int code = object_add(request->server, &object, &kind_iterator, "Iterator", iterator);
    if (code == 0)
        return request_answer_object(request, object);
    object_drop(request->server, iterator->source);
    free(iterator);
    return code;
}

static int next(struct request *request)
{
    struct iterator *iterator = request->object->state;
    const struct dictionary *dictionary = iterator->dictionary;
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    if (iterator->source && dictionary->count != iterator->count)
        return request_raise(request, "RuntimeError", "%s changed size during iteration", iterator->what);
    if (iterator->source && dictionary->closed != iterator->closed)
        return request_raise(request, "RuntimeError", "%s keys changed during iteration", iterator->what);
    struct entry *entry = iterator->source ? dictionary_next(dictionary, &iterator->place) : NULL;
    if (entry)
        return request_answer_cell(request, entry->key);
    object_drop(request->server, iterator->source);
    iterator->source = NULL;
    return request_raise_value(request, "StopIteration", NULL);
}

/** What generators have, which the iterators here are not. */
static int refuse(struct request *request)
{
    return request_raise(request, "AttributeError",
                         "the iterator takes nothing: only a generator, which needs Python, "
                         "has send and throw");
}

static int close_iterator(struct request *request)
{
    struct iterator *iterator = request->object->state;
    object_drop(request->server, iterator->source);
    iterator->source = NULL;
    return request_answer_none(request);
}

static void end(struct server *server, void *state)
{
    struct iterator *iterator = state;
    object_drop(server, iterator->source);
    free(iterator);
}

static const struct kind_method methods[] = {
    { "__next__", next, true },
    { "close", close_iterator, true },
    { "send", refuse, true },
    { "throw", refuse, true },
};

const struct kind kind_iterator = {
    .name = "Iterator",
    .proxy = "IteratorProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .end = end,
};
