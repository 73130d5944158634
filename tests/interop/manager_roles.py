"""The four programs of manager_roles.c, in Python: what somebody writes who knows nothing of kith. Standard library
only.

usage: manager_roles.py serve KEY ADDRESS | produce KEY ADDRESS COUNT | consume KEY ADDRESS | terminate KEY ADDRESS
"""

import multiprocessing
import os
import sys
import threading
from multiprocessing.managers import BaseManager

from addresses import for_kith, for_python


class QueueManager(BaseManager):
    pass


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


def serve(key, address):
    shared = multiprocessing.JoinableQueue()
    QueueManager.register("get_queue", callable=lambda: shared)
    server = QueueManager(address, key).get_server()
    threading.Thread(target=end_with_stdin, daemon=True).start()
    print(for_kith(server.address), flush=True)
    server.serve_forever()


def open_queue(key, address):
    QueueManager.register("get_queue")
    manager = QueueManager(address, key)
    manager.connect()
    return manager.get_queue()


def produce(key, address, count):
    shared = open_queue(key, address)
    for number in range(int(count)):
        shared.put(number, block=True)


def consume(key, address):
    shared = open_queue(key, address)
    count = 0
    while True:
        item = shared.get(block=True)
        shared.task_done()
        if item is None:
            break
        if item != count:
            print("%r came as number %d" % (item, count))
        count += 1
    print("consumed", count)


def terminate(key, address):
    shared = open_queue(key, address)
    shared.put(None, block=True)
    shared.join()


if __name__ == "__main__":
    role, key, address, *others = sys.argv[1:]
    roles = {"serve": serve, "produce": produce, "consume": consume, "terminate": terminate}
    roles[role](bytes.fromhex(key), for_python(address)[0], *others)
