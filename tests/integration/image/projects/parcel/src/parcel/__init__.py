"""A service that says where it runs, and misbehaves in its container if it is told to."""

import argparse
import importlib.metadata
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import idna

MESSAGE = "Hello World"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        places = ("/", "/app", "/run", "/tmp", "/var/tmp")  # noqa: S108  # places in the container
        body = {
            "message": MESSAGE,
            "user": os.getuid(),
            "process": os.getpid(),
            "writable": [place for place in places if can_write(place)],
            "greeting": os.environ.get("GREETING"),
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


def can_write(place):
    try:
        with Path(place, "probe").open("w"):
            return True
    except OSError:
        return False


def note():
    print("note", *sys.argv[1:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--die", action="store_true")
    parser.add_argument("--stubborn", action="store_true")
    arguments = parser.parse_args()
    if arguments.version:
        host = idna.encode("bücher.example").decode()
        print("parcel", importlib.metadata.version("parcel-service"), "for", host)
        return
    if arguments.die:
        sys.exit("there is no database")
    if not arguments.stubborn:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("listening", flush=True)
    ThreadingHTTPServer((arguments.host, arguments.port), Handler).serve_forever()
