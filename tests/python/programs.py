"""Small programs that the tests run, each by an interpreter of its own."""

import os
import subprocess
import sys
import tempfile
import textwrap

import kith

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(kith.__file__)))  # the folder to find kith in
LIMIT = 60  # seconds


def run(*words, cwd=None, path=(), text=""):
    """Runs the interpreter with these words, and a text on stdin; kith can be imported. Returns (status, output, what
    was on stderr)."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([*path, PACKAGE]), PYTHONIOENCODING="utf-8")
    done = subprocess.run([sys.executable, *words], cwd=cwd, env=environment, timeout=LIMIT, input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    return done.returncode, done.stdout, done.stderr


class Folder(tempfile.TemporaryDirectory):
    """A temporary folder of programs: Folder(main="print(1)") has main.py."""

    def __init__(self, **texts):
        super().__init__(prefix="kith-")
        for name, text in texts.items():
            self.write(name + ".py", text)

    def write(self, name, text):
        path = os.path.join(self.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))

    def run(self, *words, text=""):
        return run(*words, cwd=self.name, path=[self.name], text=text)


def output_of(test, text, *words):
    """Runs a program main.py that must succeed and say nothing on stderr; returns the lines that it printed."""
    with Folder(main=text) as name:
        status, output, errors = run(*words, os.path.join(name, "main.py"), path=[name])
    test.assertEqual((status, errors), (0, ""))
    return output.splitlines()
