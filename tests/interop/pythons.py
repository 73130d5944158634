"""Finds the Python interpreters of this machine. Standard library only.

Looked at are those that KITH_PYTHONS names (paths with ":" between), the system's, to which its packages belong
(numpy), python3 on PATH, and what pyenv has. Of each minor version from 3.8 on the first one found counts.
"""

import glob
import os
import shutil
import subprocess
import sys

OLDEST = (3, 8)


def version_key(path):
    """Sorts pyenv's folders: 3.9 before 3.10."""
    return [int(part) if part.isdigit() else -1 for part in os.path.basename(path).split(".")]


def candidates():
    yield from filter(None, os.environ.get("KITH_PYTHONS", "").split(":"))
    yield "/usr/bin/python3"
    yield shutil.which("python3") or sys.executable
    for root in os.environ.get("PYENV_ROOT"), os.path.expanduser("~/.pyenv"):
        if root:
            for folder in sorted(glob.glob(os.path.join(root, "versions", "*")), key=version_key):
                yield os.path.join(folder, "bin", "python3")


def version_of(path, module):
    """(major, minor), or None when this does not run, or has no such module."""
    code = "import sys; from importlib.util import find_spec; find_spec(%r).name; print(*sys.version_info[:2])" % module
    try:
        said = subprocess.run([path, "-S", "-c", code], check=True, timeout=60, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        major, minor = said.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def find(module="sys"):
    """Those that have the module: [("3.8", path), ...], the oldest first; empty when there is none."""
    found = {}
    for path in candidates():
        version = version_of(path, module)
        if version and version >= OLDEST:
            found.setdefault(version, path)
    return [("%d.%d" % version, path) for version, path in sorted(found.items())]
