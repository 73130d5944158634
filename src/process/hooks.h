/* Exit hooks: what a process is to call before it ends. */
#ifndef KITH_SRC_PROCESS_HOOKS_H
#define KITH_SRC_PROCESS_HOOKS_H

/** Calls them all, the last one first, each once. */
void hooks_run(void);

/** In a new process: forgets those of its parent. */
void hooks_forget(void);

#endif
