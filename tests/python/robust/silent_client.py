"""A client connects to a Listener with an authkey, and says nothing.

Others are served meanwhile.

gh-76425
"""

import socket
import threading

from case import PATIENCE, submodule, tell

KEY = b"a key"


def main():
    connection = submodule("connection")
    listener = connection.Listener(("127.0.0.1", 0), authkey=KEY)
    silent = socket.create_connection(listener.address)
    served = threading.Event()

    def serve():
        while True:
            try:
                listener.accept().send("served")
            except Exception:
                continue

    def ask():
        if connection.Client(listener.address, authkey=KEY).recv() == "served":
            served.set()

    for body in (serve, ask):
        threading.Thread(target=body, daemon=True).start()
    good = served.wait(PATIENCE)
    silent.close()
    tell(good, "others are served" if good else "nobody else is served")


if __name__ == "__main__":
    main()
