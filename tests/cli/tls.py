"""Tests kith's TLS against another's: Python's ssl with certificates, and openssl s_client with a key that is derived
here as docs/design/tls.md says. So what is written there is what is done.

usage: tls.py KITH    KITH is the command
"""

import contextlib
import hashlib
import hmac
import shutil
import socket
import ssl
import struct
import subprocess
import threading

from house import KEY, certify, echo, fails, files, kith, place
from tap import Skip, equal, run_all, test

ANY = "tcp:127.0.0.1:0"


def needs(condition, what):
    if not condition:
        raise Skip(what)


@contextlib.contextmanager
def certificates():
    needs(shutil.which("openssl"), "there is no openssl here, to make certificates")
    needs(ssl.HAS_TLSv1_3, "this Python has no TLS 1.3")
    with files() as path:
        certify(path, "server", "subjectAltName=IP:127.0.0.1")
        certify(path, "client")
        yield path


def receive(stream, size):
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise EOFError("after %d of %d bytes" % (len(data), size))
        data += more
    return data


def frame(message):
    return struct.pack("!i", len(message)) + message


def receive_frame(stream):
    return receive(stream, struct.unpack("!i", receive(stream, 4))[0])


def client_of(path, name=None):
    """A context for a client that believes the server, and shows a certificate."""
    context = ssl.create_default_context(cafile=path("server.pem"))
    if name:
        context.load_cert_chain(path(name + ".pem"), path(name + ".key"))
    return context


@contextlib.contextmanager
def connected(context, address):
    with socket.create_connection(place(address)) as bare, \
            context.wrap_socket(bare, server_hostname="127.0.0.1") as stream:
        yield stream


@contextlib.contextmanager
def serving(serve):
    """A listener that has one connection served, by a thread, and wants no exception."""
    failures = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            try:
                with listener.accept()[0] as bare:
                    serve(bare)
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        yield "tcp:127.0.0.1:%d" % listener.getsockname()[1]
        thread.join(60)
        equal((thread.is_alive(), failures), (False, []))


def own(path):
    return ["--tls-certificate", path("server.pem"), "--tls-key", path("server.key")]


@test
def python_client():
    """Python's ssl talks to kith echo, in one record or in many."""
    with certificates() as path, echo(ANY, *own(path)) as server:
        with connected(client_of(path), server.address) as stream:
            equal(stream.version(), "TLSv1.3")
            for message in b"", b"x", b"y" * 16380, b"z" * 1000000:
                stream.sendall(frame(message))
                equal(receive_frame(stream), message)
            for byte in frame(b"slow"):
                stream.sendall(bytes([byte]))
            equal(receive_frame(stream), b"slow")
            stream.sendall(frame(b"two") + frame(b"at once"))
            equal((receive_frame(stream), receive_frame(stream)), (b"two", b"at once"))
            stream.unwrap()  # goodbye, both ways


@test
def python_client_with_a_certificate():
    """kith echo demands a certificate of Python's ssl, and takes none but the right one."""
    with certificates() as path, echo(ANY, *own(path), "--tls-authorities", path("client.pem"), quiet=False) as server:
        with connected(client_of(path, "client"), server.address) as stream:
            stream.sendall(frame(b"x"))
            equal(receive_frame(stream), b"x")
            stream.unwrap()
        for name in None, "server":
            try:
                with connected(client_of(path, name), server.address) as stream:
                    receive(stream, 1)
                raise AssertionError("it got in with " + str(name))
            except ssl.SSLError:
                pass


@test
def python_server():
    """kith send talks to a server of Python's ssl."""
    with certificates() as path:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path("server.pem"), path("server.key"))

        def answer(bare):
            with context.wrap_socket(bare, server_side=True) as stream:
                stream.sendall(frame(receive_frame(stream)[::-1]))
                stream.unwrap()

        with serving(answer) as address:
            seen = kith("send", address, "--bytes", "--tls-authorities", path("server.pem"), "hello")
        equal(seen, (0, b"olleh", b""))


@test
def old_versions():
    """A client that has no TLS 1.3 is refused, and a server that has none."""
    with certificates() as path, echo(ANY, *own(path), quiet=False) as server:
        context = client_of(path)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            with connected(context, server.address):
                raise AssertionError("it got in with TLS 1.2")
        except (ssl.SSLError, ConnectionResetError):
            pass
        assert "was refused" in server.stop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(path("server.pem"), path("server.key"))

        def refuse(bare):
            with contextlib.suppress(ssl.SSLError), context.wrap_socket(bare, server_side=True):
                raise AssertionError("kith took TLS 1.2")

        with serving(refuse) as address:
            fails(1, "TLS 1.3", "send", address, "--tls-authorities", path("server.pem"), "hello")


def expand(authkey):
    """HKDF-SHA256 of 32 bytes (RFC 5869)."""
    extracted = hmac.new(b"kith/1 authkey", authkey, hashlib.sha256).digest()
    info = b"TLS 1.3 external PSK, TLS_AES_128_GCM_SHA256"
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def s_client(address, key, *options):
    """What comes back for a frame, and what is said about it."""
    client = subprocess.Popen(["openssl", "s_client", "-connect", address[len("tcp:"):], "-tls1_3", "-quiet",
                               "-ciphersuites", "TLS_AES_128_GCM_SHA256", "-psk_identity", "kith/1", "-psk", key.hex(),
                               *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        client.stdin.write(frame(b"hello"))
        client.stdin.flush()
        return client.stdout.read(9)
    except BrokenPipeError:
        return b""
    finally:
        client.kill()
        client.communicate()


@test
def derived_key():
    """openssl s_client gets in with the key that is derived as the notes say, and with no other."""
    needs(shutil.which("openssl"), "there is no openssl here")
    with files(key=KEY) as path, echo(ANY, "--tls", "--authkey-file", path("key"), quiet=False) as server:
        equal(s_client(server.address, expand(KEY)), frame(b"hello"))
        equal(s_client(server.address, expand(KEY + b"!")), b"")
        equal(s_client(server.address, expand(KEY), "-allow_no_dhe_kex"), frame(b"hello"))


run_all()
