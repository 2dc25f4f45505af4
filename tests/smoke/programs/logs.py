"""Writes what no log should hold, then serves: `logs.py MODE PORT`."""

import os
import sys

from serving import listening, serve

mode, port = sys.argv[1], int(sys.argv[2])
write = sys.stdout.buffer.write


def main() -> None:
    if mode == "50-megabytes-without-a-newline":
        for _ in range(50):
            write(b"0" * 1_000_000)
    elif mode == "not-utf-8":
        write(b"\xff\xfe na\xefve\n" * 3)
    elif mode == "escapes":
        write(b"\x1b[31mred\x1b[0m alert\x1b]0;title\x07\n\x00\x08")
    elif mode == "a-traceback":
        write(b'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: of no consequence\n')
    elif mode == "a-secret":
        write(f"connecting with {os.environ['SERVICE_TOKEN']}\n".encode())
    elif mode == "the-environment":
        write("".join(f"{name}={value}\n" for name, value in sorted(os.environ.items())).encode())
        write(f"cwd={os.getcwd()} entries={sorted(os.listdir())}\n".encode())
    sys.stdout.flush()
    if sys.argv[3:] == ["exit"]:
        sys.exit(1)
    serve(listening(port))


main()
