/* The note beside a shared queue (src/manager/note.h): who waits at the server for what clients do by themselves.
 *
 *     near_putter                 near_queue_put, and tell in it
 *     near_getter                 near_queue_get, without waiting: it takes what others wait for
 *     the server's get            get in type_queue.c, with expect
 *     look                        shared_queue_changed: after a client has told, and at the end of a client's line
 *
 * The queue itself is a count of messages: queue.pml is about that one. Those who wait for room, or for all to be done,
 * do so in the same way.
 *
 * Properties: at the end nobody waits at the server while there is a message; each message that was put is there, or was
 * got, once.
 *
 * Parameters: PUTTERS, each with PUTS; GETTERS near ones, each with one get; GETS, by the server; DEATHS of putters. */
byte messages, waiting; /* waiting: what the note says */
byte parked;            /* gets at the server */
chan told = [4] of { byte };
byte ended;             /* lines whose end the server has not seen yet */
byte requests = GETS;
byte put, got;          /* for the properties alone */

#define STEP(action)                       \
    if                                     \
    :: atomic { action }                   \
    :: mortal -> goto dying                \
    fi

proctype near_putter(bool mortal)
{
    byte puts = PUTS;
    bool waits = false;
    do
    :: puts == 0 -> goto ending
    :: else ->
        puts--;
#ifdef MUTANT_LOOKS_BEFORE_PUT
        STEP(waits = (waiting > 0));
        STEP(messages++; put++);
#else
        STEP(messages++; put++);
        STEP(waits = (waiting > 0));
#endif
        if
        :: waits -> STEP(told!1)
        :: else
        fi
    od;
dying:
    ended++;
ending: /* it lives on, and so does its line */
    skip
}

proctype near_getter()
{
    atomic {
        if
        :: messages > 0 -> messages--; got++
        :: true
        fi
    }
}

/* Has those try who are parked. */
inline look()
{
    do
    :: parked > 0 && messages > 0 -> atomic {
        if
        :: messages > 0 -> messages--; got++; parked--
        :: else
        fi }
    :: else -> break
    od;
#ifdef MUTANT_CLEARS_FOR_ALL
    waiting = 0
#else
    if
    :: parked == 0 -> waiting = 0
    :: else
    fi
#endif
}

/* done: whether there was a message */
inline try()
{
    atomic {
        done = (messages > 0);
        if
        :: done -> messages--; got++
        :: else
        fi
    }
}

proctype server()
{
    bool done;
    do
    :: requests > 0 ->
        requests--;
        try();
        if
        :: done
        :: else ->
            waiting = 1;
#ifndef MUTANT_NO_SECOND_TRY
            try();
#endif
            if
            :: done
            :: else -> parked++
            fi
        fi
    :: atomic { told?_ -> skip } look()
    :: atomic { ended > 0 -> ended-- }
#ifndef MUTANT_NO_LOOK_AT_END
        look()
#endif
    od
}

init {
    byte number = 0, deaths = DEATHS;
    bool mortal;
    atomic {
        do
        :: number == PUTTERS -> break
        :: else ->
            mortal = false;
            if
            :: deaths > 0 -> mortal = true; deaths--
            :: true
            fi;
            run near_putter(mortal);
            number++
        od;
        number = 0;
        do
        :: number == GETTERS -> break
        :: else -> run near_getter(); number++
        od;
        run server()
    }
    timeout -> atomic {
        assert(parked == 0 || messages == 0);
        assert(put == got + messages)
    }
}
