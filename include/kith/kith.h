/* kith/kith.h: all of kith. */
#ifndef KITH_KITH_H
#define KITH_KITH_H

#include <kith/array.h>
#include <kith/base.h>
#include <kith/codec.h>
#include <kith/connection.h>
#include <kith/entry.h>
#include <kith/heap.h>
#include <kith/list.h>
#include <kith/manager.h>
#include <kith/memory.h>
#include <kith/pool.h>
#include <kith/process.h>
#include <kith/proxy.h>
#include <kith/queue.h>
#include <kith/sync.h>
#include <kith/value.h>

#endif
