/* error.h: codes of libkith as Python's exceptions. */
#ifndef KITH_PYTHON_ERROR_H
#define KITH_PYTHON_ERROR_H

#include "module.h"

/* Sets the exception that a negative code means, with kith_error_detail or kith_strerror as its text:
 *  - KITH_EEMPTY, KITH_EFULL: queue.Empty, queue.Full, without text;
 *  - KITH_ECLOSED, KITH_ELIMIT, -EINVAL: ValueError; KITH_ETYPE: TypeError; KITH_EMALFORMED: pickle.UnpicklingError;
 *  - KITH_EEOF: EOFError; KITH_EAUTH, KITH_ETLS: AuthenticationError; KITH_EBROKEN: threading.BrokenBarrierError;
 *  - -ENOMEM: MemoryError; any other errno: OSError, which makes itself TimeoutError, BrokenPipeError, and so on;
 *  - KITH_ETRUNCATED, KITH_ELAYOUT: OSError with a text alone; what is left: RuntimeError.
 * An exception that is set already stays: so after a wait that a signal handler ended by one.
 * Call it before anything else that may call the library. Returns NULL. */
void *raise_code(struct state *state, int code);

/* "the queue is closed": the ValueError for a handle that this process has closed. Returns NULL. */
void *raise_closed(const char *noun);

#endif
