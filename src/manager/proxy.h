/* Proxies, for those that call by them. */
#ifndef KITH_SRC_MANAGER_PROXY_H
#define KITH_SRC_MANAGER_PROXY_H

#include "manager/thread_line.h"

/** Sees to it that this process has a reference to the object. @return 0; -ENOENT when the object is gone; as
 *  kith_proxy_call */
int proxy_hold(kith_proxy *proxy, deadline until);

/** A method has given an object to who wanted a value. @param pair  of answer_kind. @return KITH_ETYPE */
int proxy_refuse_object(struct thread_line *line, const kith_value *pair, deadline until);

#endif
