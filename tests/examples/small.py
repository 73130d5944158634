"""Runs the small examples and compares what they print with what the Python programs print that they are made after.

usage: small.py FOLDER_OF_THE_PROGRAMS
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Client, Listener
from multiprocessing.managers import BaseManager

from tap import Skip, equal, run, run_all, test

folder = sys.argv[1]


def output_of(name, *arguments):
    """Runs an example that must end well, and returns its lines."""
    status, out, err = run(os.path.join(folder, name), *arguments)
    equal((status, err), (0, b""))
    return out.decode().splitlines()


def match(pattern, line):
    found = re.fullmatch(pattern, line)
    if not found:
        raise AssertionError("expected %r\nbut saw %r" % (pattern, line))
    return found.groups()


@test
def process():
    """process: parent and child tell each other's ids."""
    lines = output_of("process")
    equal(len(lines), 2)
    parent_line, child_line = sorted(lines, key=lambda line: "孩子" not in line)
    parent, child = match(r"我是老爹\((\d+)\),俺孩子是\((\d+)\)", parent_line)
    equal(child_line, "我是子进程(%s),俺老爹是(%s)" % (child, parent))
    assert parent != child


@test
def queue():
    """queue: one message from the child."""
    equal(output_of("queue"), ["['hello', 88, b'World!']"])


@test
def pipe():
    """pipe: one message from the child."""
    equal(output_of("pipe"), ["['hello', 45, b'World!']"])


@test
def jobs():
    """jobs: every job is done once, but for the deadly one, which is parked."""
    lines = output_of("jobs")
    equal(sorted(lines[:-1]), sorted("job %d is done" % job for job in range(1, 11) if job != 7))
    equal(lines[-1], "job 7 is parked")


@test
def frames():
    """frames: two programs that share a queue by its name."""
    name = "test-frames-%d" % os.getpid()
    program = os.path.join(folder, "frames")
    with subprocess.Popen([program, "show", name], stdout=subprocess.PIPE) as show:
        try:
            equal(run(program, "take", name, "9"), (0, b"", b""))
            out, _ = show.communicate(timeout=60)
        finally:
            show.kill()
    equal(out.decode().splitlines(), ["frame %d, the middle is %d" % (number, number) for number in range(1, 10)])
    assert not os.path.exists("/dev/shm/kith." + name), "its name is still there"


@test
def lock():
    """lock: a line from each of a hundred processes."""
    equal(output_of("lock"), ["Hello World!"] * 100)


@test
def array():
    """array: what the child made of the numbers."""
    equal(output_of("array"), ["3.1415927", str([-i for i in range(10)])])


@test
def heap():
    """heap: the nodes of three children, the last one first."""
    equal(output_of("heap"), ["three", "two", "one"])


@test
def list_of_items():
    """list: a list with seven items, that is gone afterwards."""
    (line,) = output_of("list")
    (name,) = match(r"ShareableList\(\['howdy', b'HoWdY', -273\.154, 100, None, True, 42\], name='(\w+)'\)", line)
    assert not os.path.exists("/dev/shm/" + name)


@test
def segment():
    """segment: what one program writes, another one reads."""
    name = "kith-test-segment-%d" % os.getpid()
    try:
        equal(output_of("segment", "write", name, "hello"), [])
        equal(output_of("segment", "read", name), ["hello"])
    finally:
        equal(output_of("segment", "unlink", name), [])
    equal(run(os.path.join(folder, "segment"), "read", name)[0], 1)
    equal(run(os.path.join(folder, "segment"))[0], 2)


@test
def value():
    """value: what is packed is read, unpacked, and shown as Python shows it."""
    lines = output_of("value")
    equal(lines[:3], ["孩子 orders:", "  2 milk, 1.25 each", "  1 bread, 3.00 each"])
    equal(lines[3], "order 7 of 孩子, 2 items, in 2 weeks")
    equal(lines[4], "no: the value['items'][0][1] is of the kind int, and no str")
    order = {"number": 7, "customer": "孩子", "items": [("milk", 2, 1.25), ("bread", 1, 3)], "paid": None,
             "tags": ["it's urgent", True, b"\x00\xff"]}
    equal(lines[5:], [repr(order)])


@test
def barrier():
    """barrier: in each round, all have done their part before it is over."""
    lines = output_of("barrier")
    parts = ["process %d has done its part of round %d" % (number, round) for round in (1, 2) for number in range(3)]
    equal(sorted(lines), sorted(parts + ["round 1 is over", "round 2 is over"]))
    equal((lines[3], lines[7]), ("round 1 is over", "round 2 is over"))


@test
def value_queue():
    """value_queue: dicts from three children, as text and as JSON."""
    lines = output_of("value_queue")
    texts = ["the half of 1 is 0.5, its cube is 1", "the half of 2 is 1.0, its cube is 8",
             "the half of 3 is 1.5, its cube is 27"]
    dicts = [{"number": n, "half": n / 2, "powers": [n, n * n, n * n * n]} for n in (1, 2, 3)]
    equal(sorted(lines[::2]), texts)
    equal(sorted((json.loads(line) for line in lines[1::2]), key=lambda found: found["number"]), dicts)


@test
def wait_many():
    """wait_many: what came by a connection and by a queue, and the end of a process."""
    lines = output_of("wait_many")
    equal([line for line in lines if "queue" in line], ["the queue has %d" % number for number in (1, 2, 3)])
    equal(sorted(line for line in lines if "queue" not in line),
          ["the connection has hello", "the process has ended with 7"])


@test
def pool():
    """pool: squares, in the order of the numbers."""
    equal(output_of("pool"), ["[1, 4, 9, 16, 25, 36]"])


@test
def pool_files():
    """pool_files: counts lines, words and bytes; what can't be read is told, and the rest is counted."""
    with tempfile.TemporaryDirectory(prefix="pool_files-") as there:
        files = [os.path.join(there, name) for name in ("a", "empty", "odd \n name")]
        for path, content in zip(files, (b"one two\n three\n", b"", b"no end of line")):
            with open(path, "wb") as file:
                file.write(content)
        counts = [[2, 3, 15], [0, 0, 0], [0, 4, 14]]
        expected = b"".join(b"%7d %7d %7d %s\n" % (*count, os.fsencode(path)) for count, path in zip(counts, files))
        program = os.path.join(folder, "pool_files")

        status, out, err = run(program, *files)
        equal((status, out), (0, expected))
        match(r"files +100 % +3/3 .*\n", err.decode())

        status, out, err = run(program, os.path.join(there, "none"), *files, there)
        equal((status, out), (1, expected))
        assert ("%s/none: there is no such thing\n" % there).encode() in err, err
        assert ("%s: Is a directory\n" % there).encode() in err, err
    equal(run(program)[0], 2)


@test
def pool_crash():
    """pool_crash: each task's end is told, and those that do no harm are done."""
    equal(output_of("pool_crash"), [
        "task 1: done, begun 1 time",
        "task 2: its worker was killed by signal 9, begun 2 times",
        "task 3: its worker ended with status 42, begun 2 times",
        "task 4: it failed with 7, begun 1 time",
        "task 5: done, begun 2 times",
        "task 6: done, begun 1 time",
        "task 7: done, begun 1 time",
        "never_end: KITH_EOVERTIME"])


@test
def pool_imap():
    """pool_imap: all files of a tree, with no more than 16 on their way."""
    heads = [b"\x7fELF...", b"#!/bin/sh", b"", b"text"]
    kinds = ["a program", "a script", "empty", "something else"]
    with tempfile.TemporaryDirectory(prefix="pool_imap-") as there:
        for number in range(100):
            os.makedirs(os.path.join(there, str(number % 7)), exist_ok=True)
            with open(os.path.join(there, str(number % 7), str(number)), "wb") as file:
                file.write(heads[number % 4])
        lines = output_of("pool_imap", there)
        equal(sorted(lines[:-1]), sorted(kinds * 25))
        equal(lines[-1], "files: 100; on their way: never more than 16")
        equal(output_of("pool_imap", os.path.join(there, "0", "0")),
              ["a program", "files: 1; on their way: never more than 1"])
    equal(run(os.path.join(folder, "pool_imap"))[0], 2)


primes = ["168 primes from 0 to 999", "135 primes from 1000 to 1999", "127 primes from 2000 to 2999"]


@test
def spawn():
    """spawn: three children count primes, and their parent adds up."""
    lines = output_of("spawn")
    equal(sorted(line for line in lines if " from " in line), sorted(primes))
    assert "430 in all" in lines, lines
    equal(len(lines), 4)


@test
def forkserver():
    """forkserver: three children read the table that the server has made."""
    equal(output_of("forkserver"), ["4 primes below 10", "168 primes below 1000", "9592 primes below 100000"])


@test
def child_options():
    """child_options: the child has what was said of it."""
    program = os.path.join(folder, "child_options")
    if b"libasan" in run("ldd", program)[1]:
        raise Skip("the memory of AddressSanitizer itself is beyond the cap")
    equal(output_of("child_options"), [
        "child: malloc of 1 GiB: Cannot allocate memory",
        "child: GREETING is hello",
        "child: HOME is not set",
        "child: the directory is /",
        "child: 64 files may be open",
        "child: nice is %d" % min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19),
        "looker ended with 0"])


@contextlib.contextmanager
def running_echo_server():
    """Gives the port of an echo_server that runs meanwhile, and has at least one client."""
    with subprocess.Popen([os.path.join(folder, "echo_server"), "tcp:127.0.0.1:0"], stdout=subprocess.PIPE) as server:
        try:
            (port,) = match(r"listening at tcp:127\.0\.0\.1:(\d+)", server.stdout.readline().decode().rstrip())
            yield int(port)
            equal(server.stdout.readline().decode(), "连接关闭\n")
        finally:
            server.kill()


def echo_client(port):
    equal(output_of("echo_client", "tcp:127.0.0.1:%d" % port), [str(greeting)])


greeting = ["Hello World", 100, "你好".encode("utf-8")]
key = b"Hello World!"


@test
def echo_server():
    """echo_server: many clients at the same time, Python's and echo_client."""
    with running_echo_server() as port, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(("127.0.0.1", port), authkey=key)) for _ in range(20)]
        for number, client in enumerate(clients):
            client.send([number] + greeting)
        os.write(clients[0].fileno(), b"\0\0")  # a part of the next message
        echo_client(port)
        equal([client.recv() for client in clients], [[number] + greeting for number in range(20)])
        os.write(clients[0].fileno(), b"\0\1!")
        equal(clients[0].recv_bytes(), b"!")


@test
def echo_client_of_python():
    """echo_client: its list comes back from Python."""
    with Listener(("127.0.0.1", 0), authkey=key) as listener:
        received = []

        def serve():
            with listener.accept() as connection:
                received.append(connection.recv())
                connection.send(received[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        echo_client(listener.address[1])
        thread.join()
    equal(received, [greeting])


@test
def pipe_until_eof():
    """pipe_until_eof: ten numbers, and the end."""
    lines = output_of("pipe_until_eof")
    (parent,) = match(r"主程序執行 (\d+)", lines[0])
    match(r"子程序執行 \d+ 父程序 " + parent, lines[1])
    equal(lines[2:], ["out pipe : %d" % i for i in range(10)] + ["主程序結束 " + parent])


@test
def queue_bounded():
    """queue_bounded: five numbers through a queue of two, then the getter gives up."""
    lines = output_of("queue_bounded", "3")  # long enough for the putter to start, on whatever machine
    match(r"parent process run \d+ ", lines[0])
    introductions = [line for line in lines if re.fullmatch(r"subprocess (getter|putter) : \d+", line)]
    equal(sorted(line.split()[1] for line in introductions), ["getter", "putter"])
    got = [match(r"subprocess getter : get value (0\.\d{6})", line)[0] for line in lines if " get value " in line]
    put = [match(r"subprocess putter : put value (0\.\d{6})", line)[0] for line in lines if " put value " in line]
    equal(len(put), 5)
    equal(got, put)
    equal(len(lines), 1 + 2 + 5 + 5)


single = "接收到的信息为:{'message': '这是一条测试的消息'}"
batch = ["接收到的信息为:第 %d 次循环,发送的消息为:%d" % (i, i) for i in range(20)]


@test
def send_all():
    """send_all: twenty messages and one; then the receiver is terminated."""
    # What is terminated may not have printed its last lines: it has the pause for that. A short pause is nearly always
    # enough; where it was not, the next is longer. Whatever the pause, nothing may come twice or out of order.
    for pause in "0.01", "0.1", "1":
        lines = output_of("send_all", pause)
        from_batch = [line for line in lines if line != single]
        equal(from_batch, batch[:len(from_batch)])
        assert lines.count(single) <= 1, lines
        if len(lines) == 21:
            return
    raise AssertionError("21 lines expected, but saw %r" % lines)


def end_group(program):
    """Ends a program and all it started, by the signal of Ctrl-C."""
    os.killpg(program.pid, signal.SIGINT)
    program.wait(timeout=60)


@test
def sender_receiver():
    """sender_receiver: one message; then both parent and receiver go on waiting."""
    program = subprocess.Popen([os.path.join(folder, "sender_receiver")], stdout=subprocess.PIPE,
                               start_new_session=True)
    try:
        equal(program.stdout.readline().decode(), single + "\n")
        equal(program.poll(), None)
    finally:
        end_group(program)
    equal(program.stdout.read(), b"")
    equal(program.returncode, -signal.SIGINT)


@test
def bad_arguments():
    """send_all and queue_bounded: a bad argument is told, and is status 2."""
    for name in "send_all", "queue_bounded":
        for arguments in ["x"], ["-1"], ["1", "2"], [""], ["nan"]:
            status, out, err = run(os.path.join(folder, name), *arguments)
            equal((status, out), (2, b""))
            assert err.startswith(b"usage: "), err


@test
def manager():
    """manager: four children count in one dict, under one lock."""
    equal(output_of("manager"), ["{'kith': 336, 'kin': 332, 'kindred': 332}"])


class Shop(BaseManager):
    pass


Shop.register("get_orders")
Shop.register("Counter")


@test
def manager_server():
    """manager_server: its objects are used by manager_client and by Python."""
    with tempfile.TemporaryDirectory() as place:
        address = os.path.join(place, "shop")
        with subprocess.Popen([os.path.join(folder, "manager_server"), "unix:" + address, "a key"],
                              stdout=subprocess.PIPE) as server:
            try:
                equal(server.stdout.readline().decode(), "unix:%s\n" % address)
                equal(output_of("manager_client", "unix:" + address, "a key"), ["a pound of nails", "7"])
                shop = Shop(address, b"a key")
                shop.connect()
                counter = shop.Counter(40)
                counter.add(2)
                equal(counter.total(), 42)
                shop.get_orders().put("a bag of screws")
                equal(shop.get_orders().get(), "a bag of screws")
                server.terminate()
                equal(server.wait(timeout=60), 0)
                assert not os.path.exists(address), "its socket is still there"
            finally:
                server.kill()


run_all()
