/* The queue (src/queue/queue.h, put.c, get.c) and the monitors on either side of it (src/sync/monitor.[ch]): putters,
 * getters, deaths.
 *
 *     enter, retire, leave_monitor_asleep, notify       monitor_enter and monitor_enter_late, monitor_retire,
 *                                                       monitor_leave_asleep, monitor_notify
 *     look_for_room, look_for_message                   has_room (with queue_look in it), is_empty
 *     put_leave, get_leave                              the same
 *     the loop in putter, in getter                     put_enter with put_wait, get_enter with get_wait
 *     futex_wait                                        queue_sleep
 *     the steps behind it                               the put of one message from its copying on; the get's commit
 *     shrink                                            chain_release, when it takes the putters' side in hand; of what
 *                                                       it does with the region, nothing
 *
 * Neither shutting nor redelivery is in it.
 *
 * A position is a count of messages and one of units, stored and read at once as in C. What is cached (head_seen,
 * limit, tail_seen) is left out: it is used inside only, and only to learn sooner what a look at the position itself
 * would say. Of messages there is only their size. Waiting awake is leaving once and entering again. A call that comes
 * too late ends where in C it may try on for some moments more: these are attempts that change nothing.
 *
 * Properties:
 *   - no getter sleeps while there is a message, no putter while there is room for what "need" says, unless somebody is
 *     about to come for it; nobody else sleeps or hangs. With STRICT, no putter while there is room for the largest
 *     message of those who sleep: that holds a second later only, because "need" outlives a putter that died or gave
 *     up, and there is no time in the model (see docs/design/proof.md)
 *   - the bound holds; one putter and one getter at a time
 *   - each message whose put committed is queued or was got, once; so a put that returned is not lost
 *   - if all could be put and got, and nobody died or gave up, all was
 *
 * Parameters: PUTTERS, GETTERS: 4 at most together; PUTS, GETS: calls of each; CAPACITY, units; LAST_UNITS, the size of
 * the last putter's messages, others have 1; DEATHS, at most; PUT_PATIENCE, GET_PATIENCE: of the last putter, the last
 * getter. SHRINK: getters do it. AWAKE: true or false, whether callers wait awake before they sleep. */
#define WORDS 2
#define PUT 0
#define GET 1
#include "word.pml"

#define MESSAGES 8
#define HELD (tail_units - head_units)

byte head, head_units, tail, tail_units;
byte size[MESSAGES];   /* of the records in the region */
byte asleep[WORDS];    /* the hint */
byte need = 1;
byte committed;        /* the rest is for the properties alone */
bool got[MESSAGES];
byte units_of[THREADS + 1];
bool disturbed;        /* somebody died or gave up */

/* ---- monitors ---- */

inline enter(w)
{
    STEP(slot = w);
    try_acquire(w);
    if
    :: done ->
        STEP(asleep[w] = 0);
        code = IN
    :: else -> acquire_slowly(w)
    fi;
    if
    :: code == IN -> STEP(listed = w)
    :: else -> STEP(slot = NONE)
    fi
}

inline leave_monitor_asleep(w)
{
    STEP(asleep[w] = 1);
    leave_asleep(w)
}

inline retire(w)
{
    STEP(slot = w);
    STEP(listed = NONE);
    leave_monitor_asleep(w)
}

inline notify(w)
{
    STEP(done = (asleep[w] != 0));
    if
    :: done -> notify_word(w)
    :: else
    fi
}

/* ---- the conditions ---- */

/* Until head and tail are those of one instant, which they are here. seen: the position that may change. */
inline look_for_room(units)
{
    STEP(seen = head; holds = (HELD + units <= CAPACITY))
}

inline look_for_message()
{
    STEP(at = head);
    STEP(seen = tail; holds = (seen != at); at = 0)
}

/* ---- the putters' side ---- */

inline put_leave()
{
    STEP(slot = PUT);
    STEP(listed = NONE);
    try_release(PUT);
    if
    :: !done ->
        STEP(
            if
            :: !asleep[PUT] -> need = 1
            :: else
            fi);
        look_for_room(need);
        if
        :: holds -> pass(PUT)
        :: else ->
            leave_monitor_asleep(PUT);
#ifndef MUTANT_NO_LOOK_AGAIN
            look_for_room(need);
            if
            :: holds -> notify(PUT)
            :: else
            fi
#endif
        fi
    :: else
    fi;
    STEP(slot = NONE)
}

#ifdef MUTANT_SLEEPS_ON_WORD_ALONE
#define ROOM_UNCHANGED true
#define MESSAGES_UNCHANGED true
#else
#define ROOM_UNCHANGED (head == seen)
#define MESSAGES_UNCHANGED (tail == seen)
#endif

proctype putter(byte me; bool mortal; byte patience; byte units)
{
    LOCALS ANOTHER_LOCAL;
    byte puts = PUTS, at = 0, seen = 0;
    bool holds = false, spun = false;
    do
    :: puts == 0 -> goto ending
    :: else ->
        puts--;
        spun = !AWAKE;
        late = (patience == AT_ONCE);
        code = ENTER;
        do
        :: code == ENTER -> enter(PUT)
        :: code == IN ->
            look_for_room(units);
            if
            :: holds -> break
            :: !holds && late -> put_leave(); code = TIMED_OUT
            :: !holds && !late && !spun -> put_leave(); spun = true; code = ENTER
            :: !holds && !late && spun ->
                STEP(
                    if
                    :: units > need || !asleep[PUT] -> need = units
                    :: else
                    fi);
                retire(PUT);
#ifdef MUTANT_NO_LOOK_BEFORE_SLEEP
                holds = false; seen = head;
#else
                look_for_room(need);
#endif
                if
                :: holds -> code = ENTER
                :: else ->
                    futex_wait(PUT, ASLEEP, ROOM_UNCHANGED);
                    if
                    :: code == IN -> code = ENTER
                    :: else -> STEP(slot = NONE)
                    fi
                fi
            fi
        :: code == TIMED_OUT || code == INTERRUPTED -> break
        od;
        if
        :: code != IN -> disturbed = true
        :: else ->
            STEP(at = tail);
            STEP(size[at] = units);
#ifndef MUTANT_NO_DEBT
            STEP(slot = GET);
#endif
            STEP(tail = at + 1; tail_units = tail_units + units; committed++; assert(HELD <= CAPACITY));
            at = 0;
            notify(GET);
            put_leave()
        fi
    od;
dying:
    atomic {
        die_inside(PUT);
        disturbed = true;
        patience = FOREVER; late = false; holds = false; spun = false; puts = 0; at = 0; seen = 0
    }
    exit_robust_list();
    goto over;
ending:
    gone[me] = true;
over:
    skip
}

/* ---- the getters' side ---- */

inline get_leave()
{
    STEP(slot = GET);
    STEP(listed = NONE);
    try_release(GET);
    if
    :: !done ->
        look_for_message();
        if
        :: holds -> pass(GET)
        :: else ->
            leave_monitor_asleep(GET);
#ifndef MUTANT_NO_LOOK_AGAIN
            look_for_message();
            if
            :: holds -> notify(GET)
            :: else
            fi
#endif
        fi
    :: else
    fi;
    STEP(slot = NONE)
}

#ifdef SHRINK
inline shrink()
{
    try_acquire(PUT);
    if
    :: done ->
        try_release(PUT);
        if
        :: !done -> pass(PUT)
        :: else
        fi
    :: else
    fi
}
#else
#define shrink() skip
#endif

proctype getter(byte me; bool mortal; byte patience)
{
    LOCALS ANOTHER_LOCAL;
    byte gets = GETS, at = 0, seen = 0;
    bool holds = false, spun = false;
    do
    :: gets == 0 -> goto ending
    :: else ->
        gets--;
        spun = !AWAKE;
        late = (patience == AT_ONCE);
        code = ENTER;
        do
        :: code == ENTER -> enter(GET)
        :: code == IN ->
            look_for_message();
            if
            :: holds -> break
            :: !holds && late -> get_leave(); code = TIMED_OUT
            :: !holds && !late && !spun -> get_leave(); spun = true; code = ENTER
            :: !holds && !late && spun ->
                retire(GET);
#ifdef MUTANT_NO_LOOK_BEFORE_SLEEP
                holds = false; seen = tail;
#else
                look_for_message();
#endif
                if
                :: holds -> code = ENTER
                :: else ->
                    futex_wait(GET, ASLEEP, MESSAGES_UNCHANGED);
                    if
                    :: code == IN -> code = ENTER
                    :: else -> STEP(slot = NONE)
                    fi
                fi
            fi
        :: code == TIMED_OUT || code == INTERRUPTED -> break
        od;
        if
        :: code != IN -> disturbed = true
        :: else ->
            STEP(at = head);
#ifndef MUTANT_NO_DEBT
            STEP(slot = PUT);
#endif
            STEP(assert(!got[at] && at < tail); got[at] = true; head = at + 1; head_units = head_units + size[at]);
            at = 0;
            STEP(done = (asleep[PUT] != 0));
            if
            :: done ->
                look_for_room(need);
                if
                :: holds -> notify(PUT)
                :: else
                fi
            :: else
            fi;
            shrink();
            get_leave()
        fi
    od;
dying:
    atomic {
        die_inside(GET);
        die_inside(PUT);
        disturbed = true;
        patience = FOREVER; late = false; holds = false; spun = false; gets = 0; at = 0; seen = 0
    }
    exit_robust_list();
    goto over;
ending:
    gone[me] = true;
over:
    skip
}

/* ---- all together ---- */

#define ALL (PUTTERS + GETTERS)
#ifdef STRICT
#define WAITED_FOR largest
#else
#define WAITED_FOR need
#endif
#define SLEEPS_RIGHTLY(t) \
    ((bed[t] == GET + 1 && head == tail) || (bed[t] == PUT + 1 && HELD + WAITED_FOR > CAPACITY))

init {
    byte thread = 1, deaths = DEATHS, largest = 0;
    bool mortal;
    atomic {
        do
        :: thread > ALL -> break
        :: else ->
            mortal = false;
            if
            :: deaths > 0 -> mortal = true; deaths--
            :: skip
            fi;
            if
            :: thread <= PUTTERS ->
                units_of[thread] = (thread == PUTTERS -> LAST_UNITS : 1);
                run putter(thread, mortal, (thread == PUTTERS -> PUT_PATIENCE : FOREVER), units_of[thread])
            :: else -> run getter(thread, mortal, (thread == ALL -> GET_PATIENCE : FOREVER))
            fi;
            thread++
        od;
        thread = 0;
        deaths = 0;
        mortal = false
    }
    timeout -> atomic {
        for (thread : 1 .. PUTTERS) {
            if
            :: bed[thread] == PUT + 1 && units_of[thread] > largest -> largest = units_of[thread]
            :: else
            fi
        }
        for (thread : 1 .. ALL) {
            assert(gone[thread] || SLEEPS_RIGHTLY(thread));
            assert(gone[thread] || disturbed || PUTTERS * PUTS != GETTERS * GETS)
        }
        assert((word[PUT] & OWNER) == 0 && (word[GET] & OWNER) == 0);
        assert(tail == committed);
        for (thread : 0 .. (MESSAGES - 1)) {
            assert(got[thread] == (thread < head))
        }
    }
}
