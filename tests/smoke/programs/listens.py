"""Listens where, when and how it likes: `listens.py MODE PORT`."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from serving import listening, serve

mode, port = sys.argv[1], int(sys.argv[2])


def main() -> None:
    if mode == "well":
        serve(listening(port))
    elif mode == "on-ipv6":
        serve(listening(port, "::1"))
    elif mode == "everywhere":
        serve(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))
    elif mode == "late":
        time.sleep(1.0)
        serve(listening(port))
    elif mode == "elsewhere":
        serve(listening(0))
    elif mode == "never":
        signal.pause()
    elif mode == "in-a-child":
        listener = listening(port)
        if os.fork() == 0:
            serve(listener)
        listener.close()
        os.wait()
    elif mode == "on-a-unix-socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(sys.argv[3])
            listener.listen(64)
            serve(listener)
    elif mode in {"gives-up", "carries-on"}:
        # Somebody is quicker: not a child of ours, but whoever watches this file.
        Path(sys.argv[3]).write_text(str(port), encoding="utf-8")
        while not Path(sys.argv[3] + ".done").exists():
            time.sleep(0.01)
        try:
            serve(listening(port))
        except OSError:
            if mode == "gives-up":
                raise
            signal.pause()
    elif mode == "shares":
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", port))
            Path(sys.argv[3]).write_text(str(port), encoding="utf-8")
            while not Path(sys.argv[3] + ".done").exists():
                time.sleep(0.01)
            listener.listen(64)
            serve(listener)
    elif mode == "as-a-daemon":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                serve(listening(port))
            os._exit(0)
        os.wait()
    elif mode == "with-a-command":
        if port == 0:
            sys.stdout.write("listens 1.0\n")
            return
        subprocess.run(["true"], check=True)
        serve(listening(port))
    else:
        raise ValueError(mode)


main()
