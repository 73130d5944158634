/* The robust word, in Promela: what src/sync/word.[ch] does, step by step, and what the kernel does for and after it.
 * The models include this file: lock.pml, condition.pml, queue.pml. run.py checks them, and that they catch mutants.
 *
 * Each access to shared memory and each store to the thread's slot or list is a step of its own, and before each step
 * the thread may die. Whatever a step does is what one line of C does:
 *
 *     acquire_slowly        word_acquire_slowly, without its spinning, which only looks more often
 *     try_acquire           word_try_acquire
 *     try_release           word_try_release
 *     release_to_waiter     word_release_to_waiter, and wake_one in it
 *     pass                  word_pass
 *     leave_asleep          word_leave_asleep
 *     notify_word           word_notify
 *     futex_wait            futex(2), FUTEX_WAIT_BITSET: sleeps only while the word has the expected value
 *     futex_wake            futex(2), FUTEX_WAKE of one. Which one is left open, where the kernel takes the first
 *     exit_robust_list      the kernel's function of this name (kernel/futex/core.c)
 *     handle_futex_death    the same
 *
 * A thread dies only if it is mortal, and a model decides at its start who is. So each state in which somebody sleeps
 * for ever is also reached with that one immortal, where nothing hides it: not even its own death, which wakes others.
 *
 * What this can't see: reordering of memory accesses (spin's are sequentially consistent; the compare-and-swaps and
 * exchanges are so in C, too, or release and acquire under the word), thread ids that are used again. */

#define OWNER 7
#define WAITERS 8
#define DIED 16
#define ASLEEP WAITERS
#define CALLED (WAITERS | DIED)

#define NONE 255
#define THREADS 4 /* at most; they count from 1 */

byte word[WORDS];       /* what the C code calls value */
byte bed[THREADS + 1];  /* the word that a thread sleeps on, plus 1; 0: awake */
bool gone[THREADS + 1]; /* it has ended or died */
byte inside[WORDS];     /* threads that believe that they own the word: for the properties alone */

/* What acquiring comes to. */
#define IN 0
#define TIMED_OUT 1
#define INTERRUPTED 2
#define ENTER 3 /* to be acquired */

/* A thread's own: what the kernel finds when it is dead (slot and listed), and its calls' local variables.
 * patience: FOREVER, or LIMITED: its time may be up whenever it sleeps. late: it is up. */
#define FOREVER 0
#define LIMITED 1
#define AT_ONCE 2
#define LOCALS byte slot = NONE, listed = NONE, value = 0, code = 0; bool done = false, late = false

/* One step, or death instead. */
#define STEP(action)                       \
    if                                     \
    :: atomic { action }                   \
    :: mortal -> goto dying                \
    fi

/* ---- the kernel ---- */

inline futex_wake(w)
{
    if
    :: bed[1] == w + 1 -> bed[1] = 0; done = true
    :: bed[2] == w + 1 -> bed[2] = 0; done = true
    :: bed[3] == w + 1 -> bed[3] = 0; done = true
    :: bed[4] == w + 1 -> bed[4] = 0; done = true
    :: else -> done = false
    fi
}

inline futex_wake_all(w)
{
    if
    :: bed[1] == w + 1 -> bed[1] = 0
    :: else
    fi;
    if
    :: bed[2] == w + 1 -> bed[2] = 0
    :: else
    fi;
    if
    :: bed[3] == w + 1 -> bed[3] = 0
    :: else
    fi;
    if
    :: bed[4] == w + 1 -> bed[4] = 0
    :: else
    fi
}

/* Sleeps while the word has the expected value, and no other word has changed (unchanged: an expression). code: IN when
 * woken, or when there was reason not to sleep. A sleeper that is woken is woken, also when its time is up at the same
 * instant. */
inline futex_wait(w, expected, unchanged)
{
    STEP(
        if
        :: word[w] == expected && (unchanged) -> bed[me] = w + 1
        :: else
        fi);
    if
    :: atomic { bed[me] == 0 -> code = IN }
    :: atomic { (patience == LIMITED || late) && bed[me] != 0 -> bed[me] = 0; late = true; code = TIMED_OUT }
    :: atomic { patience == LIMITED && bed[me] != 0 -> bed[me] = 0; code = INTERRUPTED }
    :: atomic { mortal -> bed[me] = 0; goto dying }
    fi
}

inline handle_futex_death(w, pending)
{
    value = word[w];
    do
    :: pending && (value & OWNER) == 0 -> atomic { futex_wake(w) }; break
    :: (value & OWNER) == me ->
        atomic {
            if
            :: word[w] == value -> word[w] = (value & WAITERS) | DIED; done = true
            :: else -> value = word[w]; done = false
            fi
        }
        if
        :: done && (value & WAITERS) -> atomic { futex_wake(w) }; break
        :: done && !(value & WAITERS) -> break
        :: else
        fi
    :: else -> break
    od
}

inline exit_robust_list()
{
    if
    :: listed != NONE && listed != slot -> handle_futex_death(listed, false)
    :: else
    fi;
    if
    :: slot != NONE -> handle_futex_death(slot, true)
    :: else
    fi;
    atomic { slot = NONE; listed = NONE; value = 0; code = 0; done = false; gone[me] = true }
}

/* A dead owner is inside no more. In the model it leaves as it dies, before the kernel says so to others. */
inline die_inside(w)
{
    if
    :: (word[w] & OWNER) == me && inside[w] > 0 -> inside[w]--
    :: else
    fi
}

/* ---- the word ---- */

inline enters(w)
{
    inside[w]++;
    assert(inside[w] == 1) /* mutual exclusion */
}

/* done: whether it did */
inline try_acquire(w)
{
    STEP(
        if
        :: word[w] == 0 -> word[w] = me; enters(w); done = true
        :: else -> done = false
        fi)
}

inline try_release(w)
{
    STEP(
        assert((word[w] & OWNER) == me);
        if
        :: word[w] == me -> word[w] = 0; inside[w]--; done = true
        :: else -> done = false
        fi)
}

#ifdef MUTANT_WAITERS_DROPPED
/* As is common: who was asleep sets the bit again when it acquires, and releasing takes it off. */
#define BIT_OF_SLEEPER (slept -> WAITERS : 0)
#define LEFT_ON_RELEASE 0
#define ANOTHER_LOCAL ; bool slept = false
#define HAS_SLEPT slept = true;
#define NEVER_SLEPT slept = false;
#else
#define BIT_OF_SLEEPER (value & WAITERS)
#define LEFT_ON_RELEASE WAITERS
#define ANOTHER_LOCAL
#define HAS_SLEPT
#define NEVER_SLEPT
#endif

/* code: IN, TIMED_OUT or INTERRUPTED */
inline acquire_slowly(w)
{
    NEVER_SLEPT
    STEP(value = word[w]);
    do
    :: (value & OWNER) == 0 ->
        STEP(
            if
            :: word[w] == value -> word[w] = me | BIT_OF_SLEEPER; enters(w); done = true
            :: else -> value = word[w]; done = false
            fi);
        if
        :: done -> code = IN; break
        :: else
        fi
    :: (value & OWNER) != 0 && !(value & WAITERS) ->
        STEP(
            if
            :: word[w] == value -> word[w] = value | WAITERS; value = value | WAITERS
            :: else -> value = word[w]
            fi)
    :: (value & OWNER) != 0 && (value & WAITERS) ->
        futex_wait(w, value, true);
        HAS_SLEPT
        if
        :: code != IN -> break
        :: else -> STEP(value = word[w])
        fi
    od
}

#ifdef MUTANT_CLEARED_BY_CAS
/* Where the word has been acquired and released by others meanwhile, it looks the same, but somebody may sleep. */
#define CLEAR(w, left)                      \
    if                                      \
    :: word[w] == left -> word[w] = 0       \
    :: else                                 \
    fi
#else
#define CLEAR(w, left)                      \
    word[w] = word[w] & (OWNER | DIED);     \
    futex_wake_all(w)
#endif

/* After the store that released the word: wakes a sleeper; if there is none, the bit goes. */
inline wake_one(w, left)
{
    STEP(futex_wake(w));
    if
    :: !done -> STEP(CLEAR(w, left))
    :: else
    fi
}

inline release_to_waiter(w)
{
    STEP(word[w] = LEFT_ON_RELEASE; inside[w]--);
    wake_one(w, WAITERS)
}

#ifdef MUTANT_PASS_FREE
#define PASSED 0
#else
#define PASSED CALLED
#endif

inline pass(w)
{
    STEP(word[w] = PASSED; inside[w]--);
    wake_one(w, PASSED)
}

inline leave_asleep(w)
{
    STEP(word[w] = ASLEEP; inside[w]--)
}

inline notify_word(w)
{
    STEP(
        if
        :: word[w] == ASLEEP -> word[w] = CALLED; done = true
        :: else -> done = false
        fi);
    if
    :: done -> wake_one(w, CALLED)
    :: else
    fi
}
