"""Run one command and end: `commands.py MODE`."""

import os
import subprocess
import sys
import time

mode = sys.argv[1] if len(sys.argv) > 1 else "--version"

if mode == "--version":
    sys.stdout.write("commands 1.2.3\n")
elif mode == "cat":
    sys.stdout.write(sys.stdin.read().upper())
elif mode == "complain":
    sys.stderr.write(f"no {os.environ.get('THING', 'thing')}\n")
    sys.exit(2)
elif mode == "hang":
    time.sleep(600)
elif mode == "abort":
    os.abort()
elif mode == "leave":
    subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)", sys.argv[0]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
