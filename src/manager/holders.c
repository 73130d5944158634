#include "manager/holders.h"

#include "manager/server.h"

int claim(struct server *server, struct line *line, struct object *object)
{
    (void)line;
    object_hold(object);
    server->objects.claimed += object->claimed++ == 0;
    return 0;
}

void disclaim(struct server *server, struct line *line, struct object *object)
{
    (void)line;
    server->objects.claimed -= --object->claimed == 0;
    object_drop(server, object);
}

void lend_all(struct server *server, const struct cell *cell)
{
    (void)server;
    (void)cell;
}

void taken_note(struct request *request, struct cell *cell)
{
    cell_drop(request->server, cell);
}
