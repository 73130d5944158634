"""Talks with the program made of codecs.c: many requests at once, all answers. Runs on Python 3.8."""

import collections
import struct
import subprocess

Answer = collections.namedtuple("Answer", "code message buffers")


def ask(program, requests):
    """requests: (given, wanted, message, buffer...), as codecs.c has it. Returns an Answer each."""
    sent = b"".join(given.encode() + wanted.encode() + struct.pack("<Q", len(parts)) +
                    b"".join(struct.pack("<Q", len(part)) + part for part in parts)
                    for given, wanted, *parts in requests)
    done = subprocess.run([program], input=sent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if done.returncode != 0:
        raise AssertionError("codecs ended with status %d: %s" % (done.returncode, done.stderr.decode()[-3000:]))
    answers = list(parse(done.stdout))
    if len(answers) != len(requests):
        raise AssertionError("%d answers to %d requests" % (len(answers), at))
    return answers


def parse(told):
    at = 0
    while at < len(told):
        code, count = struct.unpack_from("<qQ", told, at)
        at += 16
        parts = []
        for _ in range(count):
            size, = struct.unpack_from("<Q", told, at)
            parts.append(told[at + 8:at + 8 + size])
            at += 8 + size
        yield Answer(code, parts[0], parts[1:])
