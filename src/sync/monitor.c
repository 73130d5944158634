#include "sync/monitor.h"

/** After an attempt to acquire the word: on the list when it is ours, out of the slot when it is not. */
static int settle(struct os_thread *self, struct monitor *monitor, int code)
{
    if (code == 0 || code == KITH_EOWNERDEAD)
        robust_push(self, &monitor->word);
    else
        robust_pending(self, NULL);
    return code;
}

int monitor_enter_slowly(struct os_thread *self, struct monitor *monitor, deadline until)
{
    return settle(self, monitor, word_acquire_slowly(self, &monitor->word, until));
}

int monitor_enter_late(struct os_thread *self, struct monitor *monitor, deadline *patience)
{
    robust_pending(self, &monitor->word);
    return settle(self, monitor, word_acquire_late(self, &monitor->word, patience));
}

void monitor_leave_asleep(struct monitor *monitor)
{
    atomic_store_explicit(&monitor->asleep, 1, memory_order_seq_cst);
    word_leave_asleep(&monitor->word);
}

void monitor_retire(struct os_thread *self, struct monitor *monitor)
{
    robust_pending(self, &monitor->word);
    robust_pop(self, &monitor->word);
    monitor_leave_asleep(monitor);
}
