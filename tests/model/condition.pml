/* A word that guards a condition: the semaphore without owners (src/sync/semaphore.c). Some acquire, others release;
 * some die. The condition is that there is a unit.
 *
 *     look                  available: holds says whether there is a unit
 *     enter                 enter_with_unit, up to its attempt to acquire the guard
 *     leave                 leave
 *     free--, free++        take, give_number_back
 *     slot = 0, NONE        robust_pending with the guard, with NULL
 *
 * Properties: nobody sleeps while there is a unit and nobody is about to come for it; never more units are taken than
 * were given; when all is over, nobody owns the guard.
 *
 * Parameters: ACQUIRERS and RELEASERS, 4 at most together; TURNS of each acquirer, GIFTS of each releaser; DEATHS, at
 * most; HASTY, the last so many acquirers have little time. */
#define WORDS 1
#include "word.pml"

byte free;
#ifdef MUTANT_SLEEPS_ON_WORD_ALONE
#define UNCHANGED true
#else
#define UNCHANGED (free == 0)
#endif

byte given, taken;

inline look()
{
    STEP(holds = free > 0)
}

inline leave()
{
    try_release(0);
    if
    :: !done ->
        look();
        if
        :: holds -> pass(0)
        :: else ->
            leave_asleep(0);
#ifndef MUTANT_NO_LOOK_AGAIN
            look();
            if
            :: holds -> notify_word(0)
            :: else
            fi
#endif
        fi
    :: else
    fi
}

proctype acquirer(byte me; bool mortal; byte patience)
{
    LOCALS ANOTHER_LOCAL;
    bool holds;
    byte turns = TURNS;
    do
    :: turns == 0 -> goto ending
    :: else ->
        turns--;
        late = false;
        STEP(slot = 0);
        code = ENTER;
        do
        :: code == ENTER ->
            /* enter. After its time it tries for the guard again as long as there is a unit */
            try_acquire(0);
            if
            :: done -> code = IN
            :: else -> acquire_slowly(0)
            fi;
            if
            :: code == TIMED_OUT ->
                look();
                if
                :: holds -> code = ENTER
                :: else
                fi
            :: else
            fi
        :: code == IN ->
            look();
            if
            :: holds ->
                STEP(assert(free > 0); free--; taken++);
                leave();
                break
            :: !holds && late -> leave(); break
            :: !holds && !late ->
                leave_asleep(0);
#ifndef MUTANT_NO_LOOK_BEFORE_SLEEP
                look();
#endif
                if
                :: holds -> code = ENTER
                :: else ->
                    futex_wait(0, ASLEEP, UNCHANGED);
                    if
                    :: code == IN -> code = ENTER
                    :: else
                    fi
                fi
            fi
        :: code == TIMED_OUT || code == INTERRUPTED -> break
        od;
        STEP(slot = NONE)
    od;
dying:
    atomic { die_inside(0); patience = FOREVER; late = false; turns = 0; holds = false }
    exit_robust_list();
    goto over;
ending:
    gone[me] = true;
over:
    skip
}

proctype releaser(byte me; bool mortal)
{
    LOCALS;
    byte gifts = GIFTS;
    do
    :: gifts == 0 -> goto ending
    :: else ->
        gifts--;
#ifndef MUTANT_NO_SLOT
        STEP(slot = 0);
#endif
        STEP(free++; given++);
        notify_word(0);
        STEP(slot = NONE)
    od;
dying:
    gifts = 0;
    exit_robust_list();
    goto over;
ending:
    gone[me] = true;
over:
    skip
}

#define ALL (ACQUIRERS + RELEASERS)

init {
    byte thread = 1, deaths = DEATHS;
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
            :: thread <= ACQUIRERS -> run acquirer(thread, mortal, (thread > ACQUIRERS - HASTY -> LIMITED : FOREVER))
            :: else -> run releaser(thread, mortal)
            fi;
            thread++
        od;
        thread = 0;
        deaths = 0;
        mortal = false
    }
    timeout -> atomic {
        for (thread : 1 .. ALL) {
            assert(gone[thread] || (bed[thread] != 0 && free == 0)) /* else it sleeps for ever */
        }
        assert((word[0] & OWNER) == 0);
        assert(given == taken + free)
    }
}
