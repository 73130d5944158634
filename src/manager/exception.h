/* Exceptions of Python, as codes of this library, and the other way round: one table. */
#ifndef KITH_SRC_MANAGER_EXCEPTION_H
#define KITH_SRC_MANAGER_EXCEPTION_H

#include <kith/value.h>

/** The exception that suits a code: "KeyError" for -ENOENT, "RuntimeError" for what has none. @return its name, dotted
 *  unless it is of builtins */
const char *exception_of_code(int code);

/** The code that suits an exception. @return it; KITH_EREMOTE for one that has none */
int exception_to_code(const char *module, const char *name);

/** An exception as a value that Python makes one of. @param name  "KeyError", "queue.Empty". @param args  a tuple
 *  @return it; NULL when there is no memory */
kith_value *exception_value(kith_arena *arena, const char *name, const kith_value *args);

/** Fails with the code that suits an exception that has come: the detail says its class and its text, and
 *  kith_proxy_exception its class. What is no exception gives KITH_EMALFORMED.
 *  @return the code */
int exception_fail(const kith_value *exception);

/** The same of a traceback's text, whose last line tells the exception: a call of the server itself failed.
 *  kith_proxy_exception says that class; the detail has that line.
 *  @param text  size bytes. @return the code that suits it; KITH_EREMOTE */
int exception_fail_traceback(const char *text, size_t size);

/** Has kith_proxy_exception say what suits a code that came about without the server. @return the code */
int exception_stand_for(int code);

/** Has kith_proxy_exception say that there was none. */
void exception_forget(void);

#endif
