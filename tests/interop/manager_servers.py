"""Servers of managers, in processes of their own. Standard library only."""

import contextlib
import os
import signal
import subprocess
import tempfile

from tap import equal

HERE = os.path.dirname(os.path.abspath(__file__))
KEY = b"Hello World!"
PATIENCE = 100  # nothing here takes so many seconds; it is there so that nothing waits for ever


class Server:
    """A process that serves until a client says shutdown, or its stdin ends. It prints its address when it answers."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.expected_status = 0
        self.address = self.process.stdout.readline().decode().strip()
        self.process.stdout.close()
        if not self.address.startswith(("unix:", "tcp:")):
            self.process.kill()
            self.end()
            raise AssertionError("%s said %r instead of its address" % (command[0], self.address))

    def kill(self):
        self.expected_status = -signal.SIGKILL
        self.process.kill()

    def end(self):
        """Returns the exit status."""
        self.process.stdin.close()
        return self.process.wait(timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, exception_type, *_):
        if exception_type:
            self.process.kill()
        status = self.end()
        if not exception_type:
            equal(status, self.expected_status)


def c_server(program, address, key=KEY, *options):
    """program is made of manager_roles.c"""
    return Server(program, "serve", key.hex(), address, *options)


def python_server(python, address, key=KEY):
    return Server(python, "-B", os.path.join(HERE, "manager_roles.py"), "serve", key.hex(), address)


@contextlib.contextmanager
def kith_serve(kith, address, key=KEY):
    """`kith serve`, until SIGTERM."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "key")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(key)
        with Server(kith, "serve", address, "--authkey-file", path, "--object", "get_queue=JoinableQueue") as server:
            yield server
            server.process.terminate()
