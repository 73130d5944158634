/* Calls that wait. Whoever changes an object has its waiters try again; each list is served first come, first served.
 * A waiter whose client is gone, or whose object ends, is forgotten. */
#ifndef KITH_SRC_MANAGER_WAITER_H
#define KITH_SRC_MANAGER_WAITER_H

#include "manager/loop.h"
#include "manager/request.h"

struct waiter;

/** Tries once more to do what the call wants.
 *  @param request  to answer by; it has no arguments any more
 *  @param late     its deadline has passed: it must be answered now
 *  @return REQUEST_ANSWERED; REQUEST_PARKED: it waits on (not when late, unless it was moved); a negative code as
 *          method_run */
typedef int waiter_try(struct waiter *waiter, struct request *request, bool late);

/** Those who wait for one thing of an object. All zero is an empty list. */
struct waiters {
    struct waiter *first;
    struct waiter *last;
    struct waiter *next; /* to try, while all are being tried */
    char waking;         /* 0; 1: its first ones are being tried; 2: all who are there */
    char again;          /* the same: to be done when that is */
};

struct waiter {
    struct waiter *next, *previous; /* in their list */
    struct waiters *list;
    struct line *line;
    struct waiter *next_of_line, *previous_of_line;
    struct object *object; /* held */
    waiter_try *attempt;
    struct timer timer; /* not set: it has no deadline */
    struct cell *cell;  /* the kind's own: what is to be put; dropped with the waiter */
    int64_t number;     /* and a number */
};

/** Parks a call at the end of a list. @param cell  becomes the waiter's; may be NULL
 *  @return REQUEST_PARKED; -ENOMEM, and then the cell is dropped */
int waiter_park(struct request *request, struct waiters *list, int64_t until, waiter_try *attempt, struct cell *cell,
                int64_t number);

/** The call is not answered any more: its client is gone. */
void waiter_forget(struct waiter *waiter);

/** Has the first waiters try again, until one waits on or there is none. A waiter that was answered is gone when this
 *  goes to the next. It may be called from within a method, also of the same object. */
void waiters_wake(struct server *server, struct waiters *list);

/** Has each of those try who are there now. */
void waiters_wake_all(struct server *server, struct waiters *list);

/** Moves one to the end of another list, where another function tries for it, and without a deadline: as from waiting
 *  for a notification to waiting for the lock. A function that tries may move its own waiter, and then returns
 *  REQUEST_PARKED, also when late. */
void waiter_move(struct waiter *waiter, struct waiters *to, waiter_try *attempt);

size_t waiters_count(const struct waiters *list);

#endif
