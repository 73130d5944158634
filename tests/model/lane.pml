/* A lane (src/connection/lane.[ch]): how who receives at a pipe through shared memory sleeps at its socket.
 *
 *     sender                      put, ring in it
 *     get in receiver             lane_get: queue.pml is about that
 *     await                       lane_await: lane_watch, and sleep_at
 *     watcher                     kith_connection_poll and kith_wait: it waits, and takes nothing
 *     owner                       the lock of the senders' side, which a death gives back
 *     bells                       bytes in the socket, which outlive their sender
 *
 * Properties: at the end nobody sleeps while there is a message; each that was sent is there, or was received, once.
 *
 * Parameters: SENDERS, each with SENDS; RECEIVERS, each with RECEIVES; WATCHERS; DEATHS. */
byte messages, bells, owner, asleep;
bool watched;
byte sent, received; /* for the properties alone */

#define STEP(action)                       \
    if                                     \
    :: atomic { action }                   \
    :: mortal -> goto dying                \
    fi

inline enter()
{
    if
    :: atomic { owner == 0 -> owner = _pid }
    :: mortal -> goto dying
    fi
}

inline leave()
{
    STEP(owner = 0)
}

inline bury()
{
    atomic {
        if
        :: owner == _pid -> owner = 0
        :: else
        fi
    }
}

inline ring()
{
    STEP(seen = watched);
    if
    :: seen ->
        STEP(bells++);
        STEP(watched = false)
    :: else
    fi
}

proctype sender(bool mortal)
{
    byte sends = SENDS;
    bool seen = false;
    do
    :: sends == 0 -> goto ending
    :: else ->
        sends--;
        enter();
#if defined(MUTANT_RINGS_AFTERWARDS)
        STEP(messages++; sent++);
        ring();
        leave()
#elif defined(MUTANT_RINGS_OUTSIDE)
        STEP(messages++; sent++);
        leave();
        ring()
#else
        ring();
        STEP(messages++; sent++);
        leave()
#endif
    od;
dying:
    bury();
ending:
    skip
}

/* Bells are taken in one call, or, when they are more than it takes, in several. */
inline clear()
{
    do
    :: bells > 0 -> STEP(bells--)
    :: else -> break
    od
}

/* Nothing was found: returns when there may be something. there: what the look has seen */
inline await()
{
    do
    :: true ->
        enter();
#ifdef MUTANT_NO_LOOK_INSIDE
        there = false;
#else
        STEP(there = (messages > 0));
#endif
        if
        :: there -> leave(); break
        :: else ->
#ifdef MUTANT_CLEARED_FIRST
            clear();
#endif
            STEP(watched = true);
#ifndef MUTANT_CLEARED_OUTSIDE
            clear();
#endif
            leave();
#ifdef MUTANT_CLEARED_OUTSIDE
            clear();
#endif
            STEP(asleep++);
            if
            :: atomic { bells > 0 -> asleep-- }
            :: atomic { mortal -> asleep-- } goto dying
            fi;
#ifdef MUTANT_BELL_TAKEN
            clear();
#endif
            STEP(there = (messages > 0));
            if
            :: there -> break
            :: else
            fi
        fi
    od
}

proctype receiver(bool mortal)
{
    byte receives = RECEIVES;
    bool there = false;
    do
    :: receives == 0 -> goto ending
    :: else ->
        STEP(
            there = (messages > 0);
            if
            :: there -> messages--; received++; receives--
            :: else
            fi);
        if
        :: there
        :: else -> await()
        fi
    od;
dying:
    bury();
ending:
    skip
}

proctype watcher(bool mortal)
{
    bool there = false;
    await();
    goto ending;
dying:
    bury();
ending:
    skip
}

#define START(count, one)                          \
    number = 0;                                    \
    do                                             \
    :: number == count -> break                    \
    :: else ->                                     \
        mortal = false;                            \
        if                                         \
        :: deaths > 0 -> mortal = true; deaths--   \
        :: true                                    \
        fi;                                        \
        run one(mortal);                           \
        number++                                   \
    od

init {
    byte number, deaths = DEATHS;
    bool mortal;
    atomic {
        START(SENDERS, sender);
        START(RECEIVERS, receiver);
        START(WATCHERS, watcher)
    }
    timeout -> atomic {
        assert(asleep == 0 || messages == 0);
        assert(owner == 0);
        assert(sent == received + messages)
    }
}
