/* Signals that come again and again, so that one comes while a call waits. */
#ifndef KITH_TESTS_UNIT_ALARMS_H
#define KITH_TESTS_UNIT_ALARMS_H

#include <signal.h>
#include <sys/time.h>

/** From now on the handler runs every millisecond. @param flags 0 or SA_RESTART */
static inline void alarms_on(void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

static inline void alarms_off(void)
{
    struct itimerval never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &never, NULL);
}

static inline void alarm_ignored(int number)
{
    (void)number;
}

#endif
