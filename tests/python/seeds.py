#!/usr/bin/env python3
"""Programs written for multiprocessing, each run unchanged by `python -m kith` with every start method; TAP.

    python3 tests/python/seeds.py [METHOD...]

What they print is looked at, and that they leave no process behind. All run side by side: some sleep for 20 s. The
start method is chosen from outside: `--start-method`. One has no main guard, so it runs with fork alone; one never ends
by itself, and two are a server and its client.
"""

import ast
import concurrent.futures
import os
import re
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.join(HERE, os.pardir, os.pardir, "python")
METHODS = ("fork", "spawn", "forkserver")
PORT = 8888  # what s000_server listens at
LIMIT = 120  # seconds
ENDLESS = ("s000_server", "s002_work_nojoin")  # what they print is read while they run


class Program:
    """One of the programs while it runs, in a session of its own."""

    def __init__(self, name, method):
        environment = dict(os.environ, PYTHONPATH=PACKAGE, PYTHONIOENCODING="utf-8")
        if name in ENDLESS:  # of the others, what each process prints is to come in one piece
            environment["PYTHONUNBUFFERED"] = "1"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kith", "--start-method", method, os.path.join(HERE, "seeds", name + ".py")],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            universal_newlines=True, encoding="utf-8", start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.process.stdout.close()
        self.process.stderr.close()

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def output(self):
        """What it prints until it ends, by itself, with nothing left behind."""
        try:
            output, errors = self.process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.end()
            output, errors = self.process.communicate()
            raise AssertionError("it did not end within %d s\n%s%s" % (LIMIT, output, errors)) from None
        assert (self.process.returncode, errors) == (0, ""), "status %d\n%s" % (self.process.returncode, errors)
        wait_for(lambda: not is_group(self.process.pid), "its children to end, too")
        return output


def is_group(number):
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition, what):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "waited for " + what
        time.sleep(0.01)


def is_listening(port):
    """Whether somebody listens at a TCP port; without a connection, which the server would have to answer."""
    lines = [line.split() for name in ("/proc/net/tcp", "/proc/net/tcp6") for line in open(name)]
    return any(words[1].endswith(":%04X" % port) and words[3] == "0A" for words in lines)


def takes_name(sock, name):
    """Gives a socket its name, unless another one has it. It is free again when that ends, in whatever way."""
    try:
        sock.bind(name)
    except OSError:
        return False
    return True


# ---- what each program does ----


def equal(found, expected):
    assert found == expected, "%r, not %r" % (found, expected)


def lock(program, _):
    equal(program.output(), 100 * "Hello World!\n")


def pipe(program, _):
    equal(ast.literal_eval(program.output()), ["hello", 45, b"World!"])


def process(program, method):
    output = program.output()
    parent, child = re.search(r"我是老爹\((\d+)\),俺孩子是\((\d+)\)", output).groups()
    itself, its_parent = re.search(r"我是子进程\((\d+)\),俺老爹是\((\d+)\)", output).groups()
    equal((int(parent), itself), (program.process.pid, child))
    assert (its_parent == parent) == (method != "forkserver"), output


def queue(program, _):
    equal(ast.literal_eval(program.output()), ["hello", 88, b"World!"])


def server(program, method):
    wait_for(lambda: is_listening(PORT), "the server to listen")
    with Program("s000_client", method) as client:
        equal(ast.literal_eval(client.output()), ["Hello World", 100, "你好".encode()])
    equal(program.process.stdout.readline(), "连接关闭\n")
    program.end()
    equal(program.process.stderr.read(), "")


def manager(program, _):
    output = program.output()
    for line in ("parent pid %d" % program.process.pid, "done producing", "done consuming 10000"):
        assert line in output.splitlines(), output


MESSAGE = "接收到的信息为:{'message': '这是一条测试的消息'}\n"


def work_all(program, _):
    lines = program.output().splitlines(keepends=True)
    counted = ["接收到的信息为:第 %d 次循环,发送的消息为:%d\n" % (i, i) for i in range(20)]
    equal(sorted(lines), sorted([MESSAGE] + counted))


def work_nojoin(program, _):
    equal(program.process.stdout.readline(), MESSAGE)
    assert program.process.poll() is None, "it ended, though one of its processes receives for ever"
    program.end()
    equal((program.process.stdout.read(), program.process.stderr.read()), ("", ""))


def pipe_to_end(program, _):
    lines = program.output().splitlines()
    equal([line for line in lines if line.startswith("out pipe")], ["out pipe : %d" % i for i in range(10)])
    equal(lines[-1], "主程序結束 %d" % program.process.pid)


def queue_with_timeout(program, _):
    output = program.output()
    got = re.findall(r"getter : get value ([\d.]+)", output)
    equal((len(got), got), (5, re.findall(r"putter : put value ([\d.]+)", output)))


SEEDS = {
    "s000_lock": lock,
    "s000_pipe": pipe,
    "s000_process": process,
    "s000_queue": queue,
    "s000_server": server,
    "s001_manager": manager,
    "s002_work_all": work_all,
    "s002_work_nojoin": work_nojoin,
    "s003_pipe": pipe_to_end,
    "s003_queue": queue_with_timeout,
}


def run(name, method):
    """Returns what was wrong; "" when nothing was."""
    try:
        with Program(name, method) as program:
            SEEDS[name](program, method)
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)
    return ""


def run_servers(methods):
    """The servers, one after the other, as they listen at the same port; and not beside those of another run."""
    with socket.socket(socket.AF_UNIX) as turn:
        wait_for(lambda: takes_name(turn, "\0kith-seeds-%d" % PORT), "its turn")
        wait_for(lambda: not is_listening(PORT), "port %d to be free" % PORT)
        return [run("s000_server", method) for method in methods]


def main():
    methods = sys.argv[1:] or METHODS
    with concurrent.futures.ThreadPoolExecutor(len(SEEDS) * len(methods)) as threads:
        servers = threads.submit(run_servers, methods)
        runs = {(name, method): threads.submit(run, name, method) for name in SEEDS for method in methods
                if name != "s000_server" and (name != "s001_manager" or method == "fork")}
        outcomes = {what: running.result() for what, running in runs.items()}
        outcomes.update((("s000_server", method), outcome) for method, outcome in zip(methods, servers.result()))
    print("1..%d" % len(outcomes))
    for number, ((name, method), wrong) in enumerate(sorted(outcomes.items()), 1):
        print("%s %d - %s, %s" % ("not ok" if wrong else "ok", number, name, method))
        print("".join("# %s\n" % line for line in wrong.splitlines()), end="")
    return int(any(outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
