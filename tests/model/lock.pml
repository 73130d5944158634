/* The lock (src/sync/lock.c): contenders acquire it, look that they are alone, and release it. Some die.
 *
 *     slot = 0              robust_pending(self, &lock->word)
 *     try_acquire(0)        word_try_acquire, and so on: word.pml
 *     listed = 0            robust_link
 *     listed = NONE         robust_unlink
 *     slot = NONE           robust_pending(self, NULL)
 *
 * Properties: at most one is inside; nobody sleeps for ever, whoever died; when all is over, nobody owns the lock.
 *
 * Parameters: CONTENDERS, 2 to 4; TURNS of each; DEATHS, at most; HASTY of them, the last ones, have little time. */
#define WORDS 1
#include "word.pml"

proctype contender(byte me; bool mortal; byte patience)
{
    LOCALS ANOTHER_LOCAL;
    byte turns = TURNS;
    do
    :: turns == 0 -> goto ending
    :: else ->
        turns--;
        late = false;
        /* kith_lock_acquire */
        STEP(slot = 0);
        try_acquire(0);
        if
        :: done -> code = IN
        :: else -> acquire_slowly(0)
        fi;
        if
        :: code == IN -> STEP(listed = 0)
        :: else
        fi;
        STEP(slot = NONE);
        if
        :: code == IN ->
            /* kith_lock_release */
#ifndef MUTANT_NO_SLOT
            STEP(slot = 0);
#endif
            STEP(listed = NONE);
            try_release(0);
            if
            :: !done -> release_to_waiter(0)
            :: else
            fi;
            STEP(slot = NONE)
        :: else
        fi
    od;
dying:
    atomic { die_inside(0); patience = FOREVER; late = false; turns = 0 }
    exit_robust_list();
    goto over;
ending:
    gone[me] = true;
over:
    skip
}

#define IS_HASTY(thread) (thread > CONTENDERS - HASTY -> LIMITED : FOREVER)

init {
    byte thread = 1, deaths = DEATHS;
    atomic {
        do
        :: thread > CONTENDERS -> break
        :: thread <= CONTENDERS && deaths > 0 -> run contender(thread, true, IS_HASTY(thread)); deaths--; thread++
        :: thread <= CONTENDERS -> run contender(thread, false, IS_HASTY(thread)); thread++
        od;
        thread = 0;
        deaths = 0
    }
    timeout -> atomic {
        for (thread : 1 .. CONTENDERS) {
            assert(gone[thread]) /* else it sleeps for ever */
        }
        assert((word[0] & OWNER) == 0)
    }
}
