"""Write a difficult log, then serve or exit: `logs.py MODE PORT [exit]`. MODE is one of the functions."""

import os
import sys
from pathlib import Path

from serving import listening, serve

write = sys.stdout.buffer.write


def megabytes_without_a_newline() -> None:
    for _ in range(50):
        write(b"0" * 1_000_000)


def no_utf_8() -> None:
    write(b"\xff\xfe na\xefve\n" * 3)


def escapes() -> None:
    write(b"\x1b[31mred\x1b[0m alert\x1b]0;title\x07\n\x00\x08")


def a_traceback() -> None:
    write(b'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: of no consequence\n')


def a_secret() -> None:
    write(f"connecting with {os.environ['SERVICE_TOKEN']}\n".encode())


def a_secret_at_the_edge() -> None:
    a_secret()
    write(b"." * (65536 - 12) + b"\n")  # the limit of `log.tail` cuts the secret in two


def the_environment() -> None:
    write("".join(f"{name}={value}\n" for name, value in sorted(os.environ.items())).encode())
    write(f"cwd={Path.cwd()}\nfiles={[path.name for path in Path().iterdir()]}\n".encode())


def a_line_in_the_buffer() -> None:
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # the flush below is not of this one
    sys.stdout.write("ready\n")
    serve(listening(int(sys.argv[2])))


globals()[sys.argv[1].replace("-", "_")]()
sys.stdout.flush()
if sys.argv[3:] == ["exit"]:
    sys.exit(1)
serve(listening(int(sys.argv[2])))
