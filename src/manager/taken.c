/* A Unix socket tells when its other side has read all; and when that went and left something. TCP does not tell the
 * one, so there whoever sends a request is thought to have read the reply before. */
#include "manager/taken.h"

#include "manager/kind.h"
#include "manager/line.h"
#include "manager/server.h"
#include "os/socket.h"

#include <stdlib.h>

/* The most that are remembered of a line, whose requests come faster than it reads the replies. */
enum { TAKEN_MAX = 4096 };

struct taken {
    struct object *object; /* held */
    struct cell *cell;     /* held */
    struct taken *previous, *next;
};

static void forget(struct server *server, struct line *line, struct taken *taken)
{
    *(taken->previous ? &taken->previous->next : &line->taken) = taken->next;
    *(taken->next ? &taken->next->previous : &line->last_taken) = taken->previous;
    line->taken_count--;
    cell_drop(server, taken->cell);
    object_drop(server, taken->object);
    free(taken);
}

void taken_note(struct request *request, struct cell *cell)
{
    struct line *line = request->line;
    struct taken *taken = malloc(sizeof *taken);
    if (!taken) {
        cell_drop(request->server, cell);
        return;
    }
    if (line->taken_count == TAKEN_MAX)
        forget(request->server, line, line->taken);
    *taken = (struct taken){ object_hold(request->object), cell, line->last_taken, NULL };
    *(line->last_taken ? &line->last_taken->next : &line->taken) = taken;
    line->last_taken = taken;
    line->taken_count++;
}

void taken_look(struct server *server, struct line *line)
{
    if (!line->taken || line->out.bytes || (line->is_unix && !os_socket_is_read(line->channel.socket)))
        return;
    while (line->taken)
        forget(server, line, line->taken);
}

void taken_end(struct server *server, struct line *line, bool lost)
{
    while (line->last_taken) { /* the last one first, so that the first one is in front again */
        struct taken *taken = line->last_taken;
        if (lost && taken->object->kind->put_back) {
            count_up(server->counters.given_back, 1);
            taken->object->kind->put_back(server, taken->object, cell_hold(taken->cell));
        }
        forget(server, line, taken);
    }
}
