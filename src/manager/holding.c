#include "manager/holding.h"

#include "base/error.h"
#include "manager/holders.h"
#include "manager/server.h"
#include "manager/snapshot.h"
#include "manager/tie.h"

#include <errno.h>

static struct tie_ends ends_of(struct object *object)
{
    return (struct tie_ends){ &object->holdings, &object->last_holding };
}

/* The line may be freed by it, if it has ended. */
static void end(struct server *server, struct tie *tie)
{
    struct object *object = tie->object;
    struct line *line = tie->owner;
    tie_free(tie, ends_of(object));
    object_drop(server, object);
    if (line->keeper && !line->holdings)
        holders_drop_line(server, line);
}

int holding_change(struct server *server, struct line *line, struct object *object, int64_t change)
{
    struct tie *tie = tie_find(line->holdings, object->holdings, line, object);
    if (change == 0 || (!tie && change < 0))
        return 0;
    if (!tie) {
        tie = tie_new(&line->holdings, ends_of(object), line, object);
        if (!tie)
            return error_fail(-ENOMEM, "no memory to note what a client holds");
        object_hold(object);
    }
    tie->count += change;
    if (tie->count <= 0)
        end(server, tie);
    return 0;
}

int64_t holding_of(const struct line *line, const struct object *object)
{
    const struct tie *tie = tie_find(line->holdings, object->holdings, line, object);
    return tie ? tie->count : 0;
}

struct line *holding_oldest(struct server *server, const struct object *object)
{
    (void)server;
    return object->holdings ? object->holdings->owner : NULL;
}

void holdings_give_back(struct server *server, struct line *line)
{
    while (line->holdings) {
        struct tie *tie = line->holdings;
        struct object *object = object_hold(tie->object);
        int64_t count = tie->count;
        end(server, tie);
        const struct kind *kind = object->kind;
        if (kind->give_back && (kind->holds_messages || !server->options.keep_locks)) {
            count_up(server->counters.given_back, 1);
            snapshot_changed(server);
            kind->give_back(server, object, line, count);
        }
        object_drop(server, object);
    }
}
