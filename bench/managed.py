#!/usr/bin/env python3
"""Managed queues and dicts of CPython's multiprocessing.managers, measured by turns: what managed.c does, in Python.

    managed.py serve ADDRESS        serves until stdin ends; prints the address
    managed.py queue|dict ADDRESS   reads counts, and prints seconds

Addresses are kith's: unix:PATH, tcp:HOST:PORT. Any Python from 3.8 on runs this.
"""

import multiprocessing
import os
import queue
import sys
import threading
import time
from multiprocessing.managers import BaseManager, DictProxy

KEY = b"bench"
KEYS = 64


class Manager(BaseManager):
    pass


def for_python(address):
    scheme, rest = address.split(":", 1)
    if scheme == "unix":
        return rest
    host, port = rest.rsplit(":", 1)
    return host, int(port)


def for_kith(address):
    return "unix:" + address if isinstance(address, str) else "tcp:%s:%d" % address


# ---- the server ----


def exit_at_end_of_input():
    while os.read(0, 100):
        pass
    os._exit(0)


def serve(address):
    objects = queue.Queue(), {}
    Manager.register("get_queue", callable=lambda: objects[0])
    Manager.register("get_dict", callable=lambda: objects[1], proxytype=DictProxy)
    server = Manager(for_python(address), KEY).get_server()
    print(for_kith(server.address), flush=True)
    threading.Thread(target=exit_at_end_of_input, daemon=True).start()
    server.serve_forever()


# ---- clients ----


def connect(address):
    Manager.register("get_queue")
    Manager.register("get_dict", proxytype=DictProxy)
    manager = Manager(for_python(address), KEY)
    manager.connect()
    return manager


def produce(address, told):
    shared = connect(address).get_queue()
    while True:
        for item in range(told.recv()):
            shared.put(item)


def measure_queue(address):
    context = multiprocessing.get_context("fork")
    told, tell = context.Pipe(duplex=False)
    context.Process(target=produce, args=(address, told), daemon=True).start()
    shared = connect(address).get_queue()

    def consume(count):
        tell.send(count)
        total = 0
        for _ in range(count):
            total += shared.get()
            shared.task_done()
        shared.join()
        if total != count * (count - 1) // 2:
            sys.exit("wrong items")

    return consume


def measure_dict(address):
    shared = connect(address).get_dict()

    def use(count):
        for number in range(count):
            key = "key %d" % (number % KEYS)
            shared[key] = number
            if shared[key] != number:
                sys.exit("a wrong item")

    return use


WAYS = {"queue": measure_queue, "dict": measure_dict}


def main():
    what, address = sys.argv[1:]
    if what == "serve":
        serve(address)
        return
    work = WAYS[what](address)
    for line in sys.stdin:
        start = time.perf_counter()
        work(int(line))
        print("%.9f" % (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()
