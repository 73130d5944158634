/* The board of a pool (src/pool/ring.c): the parent hands chunks out, workers claim them, run them, report and put them
 * down, sleep and are woken. Some die, some are stopped for ever, some are killed by the parent for their time limit.
 *
 * A chunk has one item. Each access to shared memory is a step of its own, and before each a worker may die or stop.
 *
 *     hand_out              board_hand_out
 *     wake_one              wake_one
 *     help                  board_waiting
 *     bury                  what the keeper does for a dead worker: its outbox is emptied, board_bury, and the chunk
 *                           that it had is lost or handed out once more
 *     doom                  board_look, board_doom, and the kill
 *     parent                the keeper, and who hands tasks in: it sleeps by board_keeper_sleeps
 *     worker                claim_next, note_claim, nap; board_begin, the task, the report, board_ring, board_put_down
 *
 * A worker dies or stops only if it is mortal or stoppable, which is chosen at the start; so each state in which
 * somebody sleeps for ever is also reached with that one immortal. Another worker sits down at a dead one's desk, or,
 * where others are left, nobody.
 * "Now and then" (the keeper's look every 10 ms whether chunks wait that nobody claims) comes only where somebody is
 * stopped: else no chunk may depend on it.
 *
 * Properties: each chunk is begun at most once, and ends once: with its report, or lost with a worker that had begun
 * it. None is left but the one that a stopped worker has. Who is doomed begins nothing after what was seen. All workers
 * end when they are dismissed.
 *
 * Parameters: WORKERS, at most 3; CHUNKS; SLOTS, more than workers; PLACES in the store, more than may be with the
 * stopped; DEATHS, STOPS (less than WORKERS) and DOOMS, at most.
 *
 * What this can't see: orders weaker than sequential consistency; chunks of several items, and cancelled ones. */
#define FREE 0
#define READY 1
#define CLAIMED 2
#define NONE 255

/* The ring: states, and what the slots hold. */
byte kind[SLOTS], lap[SLOTS], owner[SLOTS]; /* one word: a state's kind, position and worker */
byte held[SLOTS];                           /* a place */
byte head, tail;

byte store[PLACES]; /* the ticket of the chunk that lies there; 0: free */

/* Desks. */
byte aim[WORKERS], ticket[WORKERS], place_noted[WORKERS];
byte turn[WORKERS];                     /* these three are one word, at */
bool doomed[WORKERS], begun[WORKERS];
bool asleep[WORKERS], shown[WORKERS];
bool bed[WORKERS]; /* the kernel's: it sleeps on its word */

chan outbox[WORKERS] = [CHUNKS] of { byte };
byte keeper_asleep;
byte sleep[WORKERS]; /* a worker's local: the sleep for which it rings */
bool bell, closing;

/* What becomes of the workers. */
bool killed[WORKERS], dead[WORKERS], stopped[WORKERS], gone[WORKERS];
byte seen[WORKERS]; /* what a doomed one had begun; 0: nothing */

/* What the parent knows: by ticket, from 1. */
bool ended[CHUNKS + 1], again[CHUNKS + 1];
byte place_of[CHUNKS + 1];

byte runs[CHUNKS + 1]; /* for the properties alone */

#define STEP(action)                                       \
    if                                                     \
    :: atomic { !killed[me] -> action }                    \
    :: atomic { killed[me] || mortal -> goto dying }       \
    :: atomic { stoppable -> stopped[me] = true; goto frozen } \
    fi

/* ---- a worker ---- */

inline look_at_ring()
{
    STEP(h = head);
    STEP(found = h < tail)
}

/* claim_next, without the look at the slot before its swap. The slot that was claimed is that of h, when won. */
inline claim_next()
{
    look_at_ring();
    do
    :: !found || won -> break
    :: else ->
        STEP(aim[me] = h);
        STEP(
            won = (kind[h % SLOTS] == READY && lap[h % SLOTS] == h);
            if
            :: won -> kind[h % SLOTS] = CLAIMED; owner[h % SLOTS] = me
            :: else
            fi);
        STEP(
            if
            :: head == h -> head++
            :: else
            fi);
        if
        :: !won -> look_at_ring()
        :: else
        fi
    od
}

inline set_free()
{
    STEP(
        assert(kind[h % SLOTS] == CLAIMED && lap[h % SLOTS] == h && owner[h % SLOTS] == me);
        kind[h % SLOTS] = FREE; lap[h % SLOTS] = 0; owner[h % SLOTS] = 0)
}

/* note_claim. found: not doomed */
inline note_claim()
{
    STEP(
        place = held[h % SLOTS]; /* it stays while the slot is ours */
        found = !doomed[me];
        if
        :: found -> turn[me]++; begun[me] = false
        :: else
        fi);
    if
    :: found ->
#ifdef MUTANT_FREE_BEFORE_NOTE
        set_free();
#endif
        STEP(mine = store[place]; ticket[me] = mine; place_noted[me] = place);
#ifndef MUTANT_FREE_BEFORE_NOTE
        set_free()
#endif
    :: else
    fi
}

inline ring()
{
    STEP(sleep[me] = keeper_asleep);
    if
    :: sleep[me] > 0 ->
#ifdef MUTANT_BELL_TAKEN_FIRST
        STEP(
            found = (keeper_asleep == sleep[me]);
            if
            :: found -> keeper_asleep = 0
            :: else
            fi);
        if
        :: found -> STEP(bell = true)
        :: else
        fi
#else
        STEP(bell = true);
        STEP(
            if
#ifdef MUTANT_ANY_SLEEP
            :: true -> keeper_asleep = 0
#else
            :: keeper_asleep == sleep[me] -> keeper_asleep = 0
            :: else
#endif
            fi)
#endif
    :: else
    fi
}

/* found: it may begin */
inline work()
{
    STEP(
        found = !doomed[me];
        if
        :: found -> begun[me] = true; runs[mine]++; assert(runs[mine] == 1)
        :: else
        fi);
    if
    :: found ->
        STEP(outbox[me]!mine);
        ring();
        STEP(ticket[me] = 0);
        found = true
    :: else
    fi
}

inline nap()
{
    STEP(asleep[me] = true);
    STEP(shown[me] = true);
#ifdef MUTANT_NO_LOOK_AGAIN
    found = false;
#else
    look_at_ring();
#endif
    if
    :: !found ->
        STEP(found = closing);
        if
        :: !found ->
            STEP(bed[me] = asleep[me]);
            if
            :: !bed[me]
            :: atomic { killed[me] || mortal -> goto dying }
            :: atomic { stoppable -> stopped[me] = true; goto frozen }
            fi
        :: else
        fi
    :: else
    fi;
    STEP(shown[me] = false)
}

proctype worker(byte me; bool mortal; bool stoppable)
{
    byte h, place, mine;
    bool found, won, last;
sitting:
    do
    :: true ->
        STEP(h = 0; place = 0; mine = 0; sleep[me] = 0; found = false; won = false; last = closing);
        claim_next();
        if
        :: won ->
            note_claim();
            if
            :: found ->
                work();
                if
                :: !found -> goto dying /* doomed */
                :: else
                fi
            :: else -> goto dying
            fi
        :: !won && last -> break
        :: !won && !last -> nap()
        fi;
    od;
    gone[me] = true;
    goto over;
frozen:
    killed[me];
dying:
    atomic {
        h = 0; place = 0; mine = 0; sleep[me] = 0; found = false; won = false; last = false;
        mortal = false; stoppable = false; stopped[me] = false;
        bed[me] = false; killed[me] = false; dead[me] = true
    }
    /* Another one sits down there; or can't be had, where others are left. */
    if
    :: atomic { !dead[me] -> goto sitting }
    :: atomic { !dead[me] && WORKERS > DEATHS + STOPS + DOOMS -> gone[me] = true }
    fi;
over:
    skip
}

/* ---- the parent ---- */

/* w: the first that sleeps, its bit taken off; WORKERS: nobody. To look at the bits and to take one off are one step
 * here: where the bit has gone in between, the C code looks again. */
inline take_sleeper()
{
    atomic {
        w = 0;
        do
        :: w < WORKERS && !shown[w] -> w++
        :: else -> break
        od;
        if
        :: w < WORKERS -> shown[w] = false
        :: else
        fi
    }
}

inline wake_one()
{
    take_sleeper();
    if
    :: w < WORKERS -> asleep[w] = false; atomic { bed[w] = false; w = 0 }
    :: else -> w = 0
    fi
}

inline wake_all()
{
    do
    :: true ->
        take_sleeper();
        if
        :: w < WORKERS -> asleep[w] = false; atomic { bed[w] = false; w = 0 }
        :: else -> w = 0; break
        fi
    od
}

#ifdef MUTANT_NO_PASSING_OVER
#define HAS_ROOM (kind[tail % SLOTS] == FREE)
#else
#define HAS_ROOM (kind[tail % SLOTS] != READY)
#endif

inline hand_out(which)
{
    do
    :: true ->
        k = kind[tail % SLOTS];
        if
        :: k == FREE ->
            /* nobody reads the place before the slot is READY */
            atomic { held[tail % SLOTS] = place_of[which]; kind[tail % SLOTS] = READY; lap[tail % SLOTS] = tail };
            tail++;
            break
        :: k == CLAIMED -> tail++
        :: k == READY -> again[which] = true; break
        fi
    od;
    k = 0;
    wake_one()
}

/* k: whether chunks wait */
inline help()
{
    do
    :: atomic { head == tail -> k = 0 }; break
    :: atomic { head < tail && kind[head % SLOTS] == READY && lap[head % SLOTS] == head -> k = 1 }; break
    :: atomic { head < tail && !(kind[head % SLOTS] == READY && lap[head % SLOTS] == head) -> head++ }
    od
}

inline end_chunk(which)
{
    assert(!ended[which]);
    ended[which] = true;
    store[place_of[which]] = 0
}

#define HAS_CLAIMED(w) \
    (kind[aim[w] % SLOTS] == CLAIMED && lap[aim[w] % SLOTS] == aim[w] && owner[aim[w] % SLOTS] == w)

/* What a dead worker leaves changes no more, so this may be one step. */
inline bury(who)
{
    atomic {
        do
        :: len(outbox[who]) > 0 -> outbox[who]?c; end_chunk(c)
        :: len(outbox[who]) == 0 -> break
        od;
        c = 0;
        if
        :: ticket[who] > 0 ->
#ifdef MUTANT_PLACE_ON_DESK
            c = store[place_noted[who]]
#else
            c = ticket[who]
#endif
        :: ticket[who] == 0 && HAS_CLAIMED(who) -> c = store[held[aim[who] % SLOTS]]; begun[who] = false
        :: else
        fi;
        if
        :: HAS_CLAIMED(who) -> kind[aim[who] % SLOTS] = FREE; lap[aim[who] % SLOTS] = 0; owner[aim[who] % SLOTS] = 0
        :: else
        fi;
        if
        :: c > 0 && !ended[c] && begun[who] -> assert(!doomed[who] || c == seen[who]); end_chunk(c)
        :: c > 0 && !ended[c] && !begun[who] -> assert(runs[c] == 0); again[c] = true
        :: else
        fi;
        c = 0;
        ticket[who] = 0; place_noted[who] = 0; aim[who] = 0;
        turn[who] = 0; doomed[who] = false; begun[who] = false; seen[who] = 0;
        shown[who] = false; asleep[who] = false
    }
#ifndef MUTANT_NO_WAKE_AFTER_BURIAL
    help();
    if
    :: k == 1 -> wake_one()
    :: else
    fi;
    k = 0;
#endif
    dead[who] = false
}

#ifdef MUTANT_NO_TURN
#define IS_AS_SEEN(who) (begun[who] == (b & 1))
#else
#define IS_AS_SEEN(who) (begun[who] == (b & 1) && turn[who] == t)
#endif

inline doom(who)
{
    atomic { t = turn[who]; b = begun[who] };
    c = ticket[who];
    if
    :: c == 0 && HAS_CLAIMED(who) -> c = store[held[aim[who] % SLOTS]]; b = b | 2 /* of another chunk */
    :: else
    fi;
    atomic {
        if
        :: c > 0 && IS_AS_SEEN(who) && !gone[who] && !dead[who] ->
            doomed[who] = true; killed[who] = true; seen[who] = (b == 1 -> c : 0)
        :: else
        fi;
        c = 0; t = 0; b = 0
    }
}

#define STOPPED(w) (w < WORKERS && stopped[w % WORKERS])
#define SOMEBODY_STOPPED (STOPPED(0) || STOPPED(1) || STOPPED(2))
#define SLEEPS(w) (w < WORKERS && shown[w % WORKERS])
#define SOMEBODY_SLEEPS (SLEEPS(0) || SLEEPS(1) || SLEEPS(2))
#define DEAD(w) (w < WORKERS && dead[w % WORKERS])
#define SOMEBODY_DEAD (DEAD(0) || DEAD(1) || DEAD(2))
#define REPORTED(w) (w < WORKERS && len(outbox[w % WORKERS]) > 0)
#define SOMETHING_REPORTED (REPORTED(0) || REPORTED(1) || REPORTED(2))

/* Takes reports in, and decides what comes next. t: a dead worker; WORKERS: none. left: chunks that have not ended. c:
 * the first that is to be handed out once more; 0: none. p: the first free place. */
inline look_around()
{
    atomic {
        w = 0;
        do
        :: w < WORKERS && len(outbox[w]) > 0 -> outbox[w]?c; end_chunk(c)
        :: w < WORKERS && len(outbox[w]) == 0 -> w++
        :: else -> break
        od;
        w = 0;
        t = 0;
        do
        :: t < WORKERS && !dead[t] -> t++
        :: else -> break
        od;
        left = 0;
        c = CHUNKS;
        p = 0;
        do
        :: c > 0 -> left = left + (ended[c] -> 0 : 1); p = (again[c] -> c : p); c--
        :: else -> break
        od;
        c = p;
        p = 0;
        do
        :: p < PLACES && store[p] != 0 -> p++
        :: else -> break
        od
    }
}

/* Whether there is anything to do: c, p. */
#define CAN_HAND_OUT ((c > 0 || (next <= CHUNKS && p < PLACES)) && HAS_ROOM)

/* The C code counts its sleeps. Here it takes the least number that no worker has in mind, which comes to the same, in
 * fewer states. */
#define IS_KNOWN(w) (w < WORKERS && sleep[w % WORKERS] == k)

inline sleep_for_bell()
{
    atomic {
        k = 1;
        do
        :: IS_KNOWN(0) || IS_KNOWN(1) || IS_KNOWN(2) -> k++
        :: else -> break
        od;
        keeper_asleep = k;
        k = 0
    }
    if
    :: SOMETHING_REPORTED || SOMEBODY_DEAD || CAN_HAND_OUT
    :: else ->
        if
        :: bell
        :: SOMEBODY_DEAD
        :: CAN_HAND_OUT
        :: SOMEBODY_STOPPED && SOMEBODY_SLEEPS && head < tail -> wake_all()
        fi
    fi;
    keeper_asleep = 0;
    atomic { bell = false; c = 0; p = 0 }
}

proctype parent()
{
    byte next = 1, dooms = DOOMS, left, c, p, w, k, t, b;
    do
    :: true ->
        look_around();
        if
        :: left == 0 -> break
        :: left > 0 && t < WORKERS -> atomic { c = 0; p = 0 }; bury(t); t = 0
        :: left > 0 && t == WORKERS && dooms > 0 ->
            atomic { c = 0; p = 0; t = 0; dooms-- };
            if
            :: doom(0)
            :: WORKERS > 1 -> doom(1 % WORKERS)
            fi
        :: left > 0 && t == WORKERS && CAN_HAND_OUT ->
            t = 0;
            if
            :: c > 0 -> atomic { again[c] = false; p = 0 }
            :: else -> atomic { store[p] = next; place_of[next] = p; c = next; next++; p = 0 }
            fi;
            hand_out(c);
            c = 0
        :: left > 0 && t == WORKERS && !CAN_HAND_OUT -> t = 0; sleep_for_bell()
        fi
    od;
    atomic { c = 0; p = 0; t = 0; left = 0; closing = true };
    wake_all()
}

#define CLAIM(w) (HAS_CLAIMED(w) -> store[held[aim[w] % SLOTS]] : 0)
#define HAS(w, c) (STOPPED(w) && (ticket[w % WORKERS] == c || CLAIM(w % WORKERS) == c))
#define IS_WITH_STOPPED(c) (HAS(0, c) || HAS(1, c) || HAS(2, c))

init {
    byte me = 0, deaths = DEATHS, stops = STOPS, c = 0;
    bool mortal, stoppable;
    atomic {
        do
        :: me == WORKERS -> break
        :: else ->
            mortal = false;
            stoppable = false;
            if
            :: deaths > 0 -> mortal = true; deaths--
            :: stops > 0 -> stoppable = true; stops--
            :: skip
            fi;
            run worker(me, mortal, stoppable);
            me++
        od;
        run parent();
        me = 0;
        deaths = 0;
        stops = 0;
        mortal = false;
        stoppable = false
    }
    timeout -> atomic {
        for (c : 1 .. CHUNKS) {
            assert(ended[c] || IS_WITH_STOPPED(c)) /* else it is lost, or nobody comes for it */
        }
        for (me : 0 .. WORKERS - 1) {
            assert(gone[me] || dead[me] || stopped[me] || !closing) /* else it sleeps for ever */
        }
    }
}
