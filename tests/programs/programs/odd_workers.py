"""Work without a port: `odd_workers.py MODE`. MODE is one of the functions."""

import os
import signal
import sys
import time


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def silent() -> None:
    time.sleep(20)


def ready() -> None:
    say("worker ready\n")
    time.sleep(20)


def ready_without_a_newline() -> None:
    say("worker ready")
    time.sleep(20)


def ready_on_stderr() -> None:
    sys.stderr.write("\x1b[32mworker\x1b[0m ready\n")
    time.sleep(20)


def ready_and_dead() -> None:
    say("worker ready\n")
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(20)


def ready_and_soon_dead() -> None:
    say("worker ready\n")
    time.sleep(0.5)
    os._exit(3)


def ready_only_at_its_end() -> None:
    time.sleep(0.3)
    say("worker ready\n")
    sys.exit(0)


def ready_and_deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()


def ready_in_a_flood() -> None:
    say("x" * 30_000_000 + "\nworker ready\n")
    time.sleep(20)


def hostile() -> None:
    say("a" * 40 + "!\n")
    time.sleep(20)


def as_a_daemon() -> None:
    if os.fork():
        return
    signal.alarm(20)
    os.setsid()
    ready()


# --- commands


def prints_hostile_text() -> None:
    say("a" * 40 + "!\n")
    sys.stderr.write("a" * 40 + "!\n")


def prints_no_utf_8() -> None:
    os.write(1, b"\xff\xfe \xed\xa0\x80 done\n")


def prints_5_megabytes() -> None:
    for _ in range(5):
        say("0" * 1_000_000)


def stops_itself() -> None:
    signal.alarm(20)
    os.kill(os.getpid(), signal.SIGSTOP)


def reads_without_end() -> None:
    while sys.stdin.read():
        pass
    time.sleep(20)


def closes_its_output_and_goes_on() -> None:
    os.closerange(0, 3)
    time.sleep(20)


globals()[sys.argv[1].replace("-", "_")]()
