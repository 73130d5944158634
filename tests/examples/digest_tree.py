"""Tests digest_tree: its lines against sha256sum's, its complaints, and what it does when workers are killed.

usage: digest_tree.py FOLDER_OF_THE_PROGRAMS
"""

import contextlib
import glob
import hashlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from tap import Skip, equal, run, run_all, test, wait_until

program = os.path.join(sys.argv[1], "digest_tree", "digest_tree")
forms = [], ["--pool"]  # a crew made by hand, and a pool: both do the same job


@contextlib.contextmanager
def tree(files):
    """A temporary folder with these files ({name: content}; a name may have folders in it)."""
    root = tempfile.mkdtemp(prefix="digest_tree-").encode()
    try:
        for name, content in files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        yield root
    finally:
        shutil.rmtree(root)


def sha256sum(*roots):
    """What sha256sum prints for these folders, sorted by path."""
    found = subprocess.run(["find", *roots, "-type", "f", "-print0"], stdout=subprocess.PIPE, check=True).stdout
    names = sorted(found.split(b"\0")[:-1])
    return subprocess.run(["sha256sum", "--", *names], stdout=subprocess.PIPE, check=True).stdout if names else b""


odd_files = {
    b"plain": b"hello\n",
    b"empty": b"",
    b"with space": b"1",
    b" leading and trailing ": b"2",
    b"new\nline": b"3",
    b"back\\slash": b"4",
    b"carriage\rreturn": b"5",
    b"all\\of\nthem\r": b"6",
    b"-j": b"7",
    b"\xff\xfe not UTF-8": b"8",
    "你好".encode(): b"9",
    b"a/b/c/d/e/f/deep": b"10",
    b"a.txt": b"sorted between a-b and a/",
    b"a-b": b"11",
    b"size/of one buffer": bytes(256 * 1024),
    b"size/one byte more": bytes(256 * 1024 + 1),
    b"size/larger": os.urandom(3 << 20),
}


@test
def like_sha256sum():
    """prints what sha256sum prints: odd names, empty files, links, things that are no files."""
    with tree(odd_files) as root:
        os.mkdir(root + b"/empty directory")
        os.symlink(b"..", root + b"/a/b/loop")
        os.symlink(b"plain", root + b"/link to a file")
        os.symlink(b"nowhere", root + b"/dangling")
        os.mkfifo(root + b"/fifo")
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(root + b"/socket")
        for form in forms:
            for workers in b"1", b"2", b"7":
                status, out, err = run(program, root, b"-j", workers, *form)
                equal(out, sha256sum(root))
                equal(status, 0)
        assert b"\\n" in out and b"\\r" in out and b"\\\\" in out


@test
def many_files():
    """prints what sha256sum prints: more files than the queue of tasks holds."""
    names = {b"%d/%d" % (i % 50, i): b"%d" % i for i in range(5000)}
    with tree(names) as root:
        status, out, err = run(program, b"-j2", root)
        equal(status, 0)
        equal(out, sha256sum(root))
        table = err.decode().splitlines()
        equal(table[0].split(), ["worker", "files", "MB", "seconds", "MB/s"])
        equal([line.split()[0] for line in table[1:]], ["1", "2", "all"])
        equal(sum(int(line.split()[1]) for line in table[1:3]), 5000)

        status, out, err = run(program, b"-j2", root, b"--pool")
        equal((status, out), (0, sha256sum(root)))
        table = err.decode().splitlines()
        equal([line.split()[:2] for line in table], [["worker", "files"], ["all", "5000"]])


@test
def several_roots():
    """takes several roots, files too, with a slash at the end or not."""
    with tree({b"one/x": b"1", b"two/y": b"2", b"file": b"3"}) as root:
        roots = [root + b"/two/", root + b"/one", root + b"/file"]
        status, out, err = run(program, *roots, b"-j", b"1")
        equal((status, out), (0, sha256sum(*roots)))


@test
def linked_root():
    """follows a link that is itself given as root."""
    with tree({b"real/x": b"1"}) as root:
        os.symlink(b"real", root + b"/link")
        status, out, err = run(program, root + b"/link")
        equal((status, out), (0, sha256sum(root + b"/link/")))


@test
def nothing_there():
    """an empty directory is no failure."""
    with tree({}) as root:
        for form in forms:
            status, out, err = run(program, root, *form)
            equal((status, out), (0, b""))


@test
def missing_root():
    """a root that is not there is told, the rest is done, status 1."""
    with tree({b"x": b"1"}) as root:
        for form in forms:
            status, out, err = run(program, root + b"/none", root, *form)
            equal((status, out), (1, sha256sum(root)))
            assert root + b"/none: No such file or directory\n" in err, err


@test
def no_file_root():
    """a root that is neither directory nor file is told, status 1."""
    status, out, err = run(program, "/dev/null")
    equal((status, out), (1, b""))
    assert b"/dev/null: Not a directory\n" in err, err


def without_privileges():
    """What to put before a command so that permissions hold for it, also when root runs the tests."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        raise Skip("root reads everything, and there is no setpriv")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


@test
def unreadable():
    """a directory and a file that can't be read are told, the rest is done, status 1."""
    prefix = without_privileges()
    with tree({b"readable": b"1", b"closed/inside": b"2", b"secret": b"3", b"z/last": b"4"}) as root:
        os.chmod(root, 0o755)
        shutil.copy(program, root + b"/program")  # the build folder may be closed to others
        library = re.search(rb"libkith\S+ => (\S+)", run("ldd", program)[1]).group(1)
        shutil.copy(library, root)
        os.chmod(root + b"/secret", 0)
        os.chmod(root + b"/closed", 0)
        try:
            roots = [root + name for name in (b"/closed", b"/readable", b"/secret", b"/z")]
            environment = dict(os.environb, LD_LIBRARY_PATH=root)
            seen = [run(*prefix, root + b"/program", *roots, *form, env=environment) for form in forms]
        finally:
            os.chmod(root + b"/closed", 0o700)
        for status, out, err in seen:
            equal((status, out), (1, sha256sum(root + b"/readable", root + b"/z")))
            for name in b"closed", b"secret":
                assert root + b"/" + name + b": Permission denied\n" in err, err


@test
def paths_too_long():
    """a path that no system call takes is told, the rest is done, status 1."""
    with tree({b"short": b"1"}) as root:
        here = os.open(root, os.O_RDONLY)
        for _ in range(20):  # each step is short; the whole is longer than PATH_MAX
            os.mkdir(b"d" * 250, dir_fd=here)
            deeper = os.open(b"d" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
        os.close(os.open(b"file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
        os.close(here)
        for form in forms:
            status, out, err = run(program, root, *form)
            equal((status, out), (1, b"%s  %s/short\n" % (hashlib.sha256(b"1").hexdigest().encode(), root)))
            assert b": File name too long\n" in err, err


@test
def usage():
    """bad options: usage on stderr, status 2."""
    bad_workers = [["-j" + number, "."] for number in ("0", "-1", "x", "1025", "2x", " 2", "99999999999999999999")]
    for arguments in [], ["-j"], ["-j", "", "."], ["--nonsense", "."], *bad_workers:
        status, out, err = run(program, *arguments)
        equal((status, out), (2, b""))
        assert b"usage: digest_tree DIR... [-j WORKERS] [--pool]\n" in err, err


@test
def asked_for_help():
    """--help: on stdout, status 0."""
    status, out, err = run(program, "--help")
    equal((status, err), (0, b""))
    assert out.startswith(b"usage: digest_tree DIR... [-j WORKERS] [--pool]\n"), out


@test
def full_output():
    """a full disk under stdout is told, status 1."""
    with tree({b"x": b"1"}) as root, open("/dev/full", "wb") as full:
        done = subprocess.run([program, root], stdout=full, stderr=subprocess.PIPE, timeout=120)
        equal(done.returncode, 1)
        assert b"can't write the digests: No space left on device\n" in done.stderr, done.stderr


# ---- deaths ----


def children_of(pid):
    """The children, and their descriptors' targets: {pid: [path]}."""
    seen = {}
    for path in glob.glob("/proc/%d/task/*/children" % pid):
        with open(path) as file:
            for child in file.read().split():
                seen[int(child)] = []
                for link in glob.glob("/proc/%s/fd/*" % child):
                    with contextlib.suppress(OSError):
                        seen[int(child)].append(os.fsencode(os.readlink(link)))
    return seen


def stop_reader(parent, path):
    """Waits until a worker reads the file, and stops it there: it can't end before it is killed. Returns its pid."""

    def reader():
        for child, files in children_of(parent.pid).items():
            if path in files:
                os.kill(child, signal.SIGSTOP)
                # It may have closed the file before the signal came.
                if path in children_of(parent.pid).get(child, ()):
                    return child
                os.kill(child, signal.SIGCONT)
        assert parent.poll() is None, "ended before the file was read"
        return None

    return wait_until(reader, "a worker reads the file")


def endless(path):
    """Makes a file that takes long to digest."""
    os.truncate(path, 64 << 30)


@contextlib.contextmanager
def hundred_files():
    """A tree of so many files, one of which takes long: gives its root, and that one."""
    with tree({b"%d" % i: b"%d" % i for i in range(100)}) as root:
        victim = root + b"/50"
        endless(victim)
        yield root, victim


def start(*arguments):
    return subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@test
def worker_killed():
    """a worker killed at work is told, and another does its files."""
    with hundred_files() as (root, victim):
        parent = start(root, b"-j2")
        worker = stop_reader(parent, victim)
        os.truncate(victim, 10)  # so that the other one finishes it
        os.kill(worker, signal.SIGKILL)
        out, err = parent.communicate(timeout=120)
        equal(out, sha256sum(root))
        equal(parent.returncode, 0)
        assert re.search(rb"worker [12] was killed by signal 9\n", err), err


@test
def all_workers_killed():
    """when all workers are killed, what has no digest is counted, status 1, no hang."""
    with hundred_files() as (root, victim):
        parent = start(root, b"-j1")
        os.kill(stop_reader(parent, victim), signal.SIGKILL)
        out, err = parent.communicate(timeout=120)
        equal(parent.returncode, 1)
        assert b"worker 1 was killed by signal 9\n" in err, err
        left = int(re.search(rb"no worker is left; (\d+) files have no digest\n", err).group(1))
        equal(len(out.splitlines()), 100 - left)
        assert set(out.splitlines()) <= set(sha256sum_without(victim, root)), out


def sha256sum_without(victim, root):
    os.truncate(victim, 10)
    return sha256sum(root).splitlines()


@test
def worker_of_pool_killed():
    """a worker of the pool that is killed is replaced, and all files are done, also when it was the only one."""
    with hundred_files() as (root, victim):
        parent = start(root, b"-j1", b"--pool")
        worker = stop_reader(parent, victim)
        os.truncate(victim, 10)
        os.kill(worker, signal.SIGKILL)
        out, err = parent.communicate(timeout=120)
        equal((parent.returncode, out), (0, sha256sum(root)))
        assert b"workers that died and were replaced: 1\n" in err, err


@test
def deadly_file():
    """a file whose worker dies each time is told by the pool, and all others are done, status 1."""
    with hundred_files() as (root, victim):
        parent = start(root, b"-j2", b"--pool")
        for attempt in range(3):
            worker = stop_reader(parent, victim)
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: gone(worker), "the worker has ended")
        out, err = parent.communicate(timeout=120)
        equal(parent.returncode, 1)
        assert re.search(rb"%s: .*signal 9" % victim, err), err
        others = [line for line in sha256sum_without(victim, root) if not line.endswith(b"  " + victim)]
        equal(out.splitlines(), others)


@test
def parent_killed():
    """when the parent is killed, its workers end."""
    for form in forms:
        with tree({b"x": b""}) as root:
            endless(root + b"/x")
            parent = start(root, b"-j3", *form)
            wait_until(lambda: any(root + b"/x" in files for files in children_of(parent.pid).values()), "one reads")
            workers = list(children_of(parent.pid))
            equal(len(workers), 3)
            parent.kill()
            parent.communicate(timeout=120)  # both pipes end only when no worker has them any more
            for worker in workers:
                wait_until(lambda: gone(worker), "the workers end")


def gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


# ---- the progress bar ----


@test
def bar():
    """the progress bar is drawn on a terminal, and only there."""
    for form in forms:
        with tree({b"x": b""}) as root:
            endless(root + b"/x")
            master, terminal = pty.openpty()
            parent = subprocess.Popen([program, root, *form], stdout=subprocess.PIPE, stderr=terminal)
            os.close(terminal)
            seen = b""
            # A crew tells how far it is in a large file; of a pool, nothing is known of a task until it has ended.
            left = rb"" if form else rb"  \d+:\d\d(:\d\d)? left"

            def drawn():
                nonlocal seen
                seen += os.read(master, 4096)
                return re.search(rb"\r\[[# ]+\] 0/1 files  \d+ MB  \d+ MB/s" + left, seen)

            wait_until(drawn, "the bar is drawn")
            os.truncate(root + b"/x", 0)
            out = parent.stdout.read()
            equal(parent.wait(timeout=120), 0)
            assert re.fullmatch(rb"[0-9a-f]{64}  %s/x\n" % root, out), out  # of what was read before it shrank
            os.close(master)


run_all()
