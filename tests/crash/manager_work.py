#!/usr/bin/env python3
"""Clients of stock Python in the tests that kill clients and servers of managers: what manager_work.c does in C, with
the same ledger. Any Python from 3.8 on runs this.

    manager_work.py WHAT SLOT ADDRESS LEDGER LAYOUT    WHAT is a role, or something to wait for; LEDGER a descriptor
"""

import mmap
import sys
from multiprocessing import current_process, managers

KEY = b"torture"
SENTINEL = -1
LOCK, RLOCK, SEMAPHORE, BOUNDED, CONDITION = range(5)
PROXIES = {"plain": None, "again": None, "the_lock": managers.AcquirerProxy, "the_rlock": managers.AcquirerProxy,
           "the_semaphore": managers.AcquirerProxy, "the_bounded": managers.AcquirerProxy,
           "the_condition": managers.ConditionProxy, "the_event": managers.EventProxy,
           "the_barrier": managers.BarrierProxy, "the_dict": managers.DictProxy, "the_list": managers.ListProxy}


class Manager(managers.SyncManager):
    pass


for name, proxy in PROXIES.items():
    Manager.register(name, proxytype=proxy)


class Ledger:
    def __init__(self, fd, layout):
        self.places = {name: int(number) for name, number in (item.split("=") for item in layout.split())}
        self.bytes = memoryview(mmap.mmap(fd, 0))
        self.words = self.bytes.cast("I")
        self.longs = self.bytes.cast("Q")

    def view(self, name, kind):
        """The array of this name, from its first element to the end of everything."""
        width = {"bytes": 1, "words": 4, "longs": 8}[kind]
        return getattr(self, kind)[self.places[name] // width:]

    def __getitem__(self, name):
        return self.places[name]


class Client:
    def __init__(self, slot, address, fd, layout):
        self.ledger = Ledger(fd, layout)
        self.slot = slot
        self.life = self.ledger.view("life", "words")[slot]
        self.turns = 0
        self.progress = self.ledger.view("progress", "longs")
        self.stamps = self.ledger.view("stamps", "longs")
        self.doomed = self.ledger.view("doomed", "bytes")
        self.supply = self.ledger.view("supply", "words")
        self.stop = self.ledger.view("stop", "words")
        current_process().authkey = KEY  # for proxies that come in what is got
        self.manager = Manager(for_python(address), KEY)
        self.manager.connect()

    def find(self, name):
        return getattr(self.manager, name)()

    def goes_on(self):
        self.turns += 1
        self.progress[self.slot] += 1
        return not self.stop[0]


def for_python(address):
    scheme, rest = address.split(":", 1)
    if scheme == "unix":
        return "\0" + rest[1:] if rest.startswith("@") else rest
    host, port = rest.rsplit(":", 1)
    return host, int(port)


# ---- queues ----


def put(name):
    def work(client):
        ledger, putter = client.ledger, client.slot
        begun, confirmed = ledger.view("begun", "words"), ledger.view("confirmed", "bytes")
        queue = client.find(name)
        while client.goes_on() and begun[putter] + ledger["batch"] < ledger["messages"]:
            number = begun[putter]
            begun[putter] = number + 1
            queue.put(putter << 24 | number)
            confirmed[putter * ledger["messages"] + number] = 1

    return work


def get(name):
    def work(client):
        ledger = client.ledger
        getting, handled = ledger.view("getting", "words"), ledger.view("handled", "bytes")
        queue = client.find(name)
        message = None
        while message != SENTINEL:
            client.goes_on()
            getting[client.slot] = 1
            message = queue.get()
            if message != SENTINEL:
                putter, number = message >> 24, message & 0xffffff
                handled[(client.slot * ledger["putters"] + putter) * ledger["messages"] + number] += 1
            getting[client.slot] = 0
            queue.task_done()

    return work


# ---- locks ----


def look(client, guard):
    slots = client.ledger["slots"]
    return list(client.stamps[guard * slots:(guard + 1) * slots])


def enter(client, guard):
    ledger = client.ledger
    client.stamps[guard * ledger["slots"] + client.slot] = client.life << 32 | client.turns
    before, after = look(client, guard), look(client, guard)
    inside = [stamp for slot, stamp in enumerate(after)
              if stamp and not client.doomed[slot * ledger["lives"] + (stamp >> 32)]]
    if before == after and len(inside) > (ledger["units"] if guard in (SEMAPHORE, BOUNDED) else 1):
        sys.exit("a client finds: more than may be have acquired it")


def leave(client, guard):
    client.stamps[guard * client.ledger["slots"] + client.slot] = 0


def use_locks(client):
    locks = [client.find(name) for name in ("the_lock", "the_rlock", "the_semaphore", "the_bounded")]
    while client.goes_on():
        guard = client.turns % 4
        times = 2 if guard == RLOCK else 1
        for _ in range(times):
            locks[guard].acquire()
        enter(client, guard)
        leave(client, guard)
        for _ in range(times):
            locks[guard].release()


def take_supply(client, condition):
    for _ in range(5):
        if client.supply[0] > 0:
            break
        leave(client, CONDITION)
        condition.wait(0.005)
        enter(client, CONDITION)
    if client.supply[0] > 0:
        client.supply[0] -= 1


def use_condition(client):
    condition = client.find("the_condition")
    while client.goes_on():
        with condition:
            enter(client, CONDITION)
            if client.turns % 2 == 0:
                take_supply(client, condition)
            else:
                client.supply[0] += 1
                condition.notify()
            leave(client, CONDITION)


# ---- objects in objects ----


def use_objects(client):
    shared = client.find("the_dict")
    while client.goes_on():
        name = client.slot, client.life
        outer, inner = client.manager.list(), client.manager.list()
        outer.append(inner)
        shared[name] = outer
        del outer, inner
        inner = shared[name][0]
        inner.append(1)
        if len(inner) != 1:
            sys.exit("a client finds: a list that is only its own has other items")
        if client.turns % 2 == 0:
            del shared[name]


# ---- waiting until the server dies ----


def wait_for(name, method, *args):
    """The server's death must come as one of these."""
    def work(client):
        waiting = getattr(client.find(name), method)
        try:
            waiting(*args)
        except (EOFError, ConnectionError):
            return
        sys.exit("a call that waits came back")

    return work


ROLES = [put("plain"), get("plain"), put("again"), get("again"), use_locks, use_condition, use_objects]
WAITS = {
    "get": wait_for("plain", "get"),
    "acquire": wait_for("the_lock", "acquire"),
    "event": wait_for("the_event", "wait"),
    "barrier": wait_for("the_barrier", "wait"),
    "join": wait_for("again", "join"),
}


def main():
    what, slot, address, fd, layout = sys.argv[1:]
    client = Client(int(slot), address, int(fd), layout)
    work = WAITS[what] if what in WAITS else ROLES[int(what)]
    work(client)


if __name__ == "__main__":
    main()
