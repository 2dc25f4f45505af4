"""Serves well, and stops in its own way: `stops.py MODE PORT`."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from serving import listening, serve

mode, port = sys.argv[1], int(sys.argv[2])
SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)", sys.argv[0]]


def on_term(action: object) -> None:
    signal.signal(signal.SIGTERM, action)  # type: ignore[arg-type]


def main() -> None:
    if mode == "never":
        on_term(signal.SIG_IGN)
    elif mode.startswith("with-"):
        status = int(mode.removeprefix("with-"))
        on_term(lambda *_: os._exit(status))
    elif mode == "leaving-a-worker":
        subprocess.Popen(SLEEPER)
    elif mode == "leaving-a-daemon":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv(SLEEPER[0], SLEEPER)
            os._exit(0)
        os.wait()
    elif mode == "leaving-a-thousand":
        for _ in range(1000):
            if os.fork() == 0:
                time.sleep(600)
    elif mode == "leaving-one-that-forks-on":
        if os.fork() == 0:
            on_term(signal.SIG_IGN)
            while True:
                if os.fork():
                    os._exit(0)
                time.sleep(0.01)
    elif mode == "ending-its-workers":
        worker = subprocess.Popen(SLEEPER)
        on_term(lambda *_: (worker.kill(), worker.wait(), os._exit(0)))
    elif mode == "from-another-group":
        subprocess.Popen(SLEEPER, process_group=0) if sys.version_info >= (3, 11) else subprocess.Popen(
            SLEEPER, start_new_session=True
        )
    elif mode == "having-written":
        locked = Path("locked")
        locked.mkdir()
        (locked / "file").write_text("x", encoding="utf-8")
        (locked / "deeper").mkdir()
        locked.chmod(0)
    elif mode == "hungry":
        held = bytearray(80_000_000)
        held[::4096] = b"x" * len(held[::4096])
        globals()["held"] = held
        threading.Event()
    serve(listening(port))


main()
