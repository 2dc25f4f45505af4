"""A gRPC server and its client: `hello.py serve|ask HOST:PORT`."""

from __future__ import annotations

import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc


def greet(name: bytes, _: grpc.ServicerContext) -> bytes:
    return b"Hello " + name


def serve(address: str) -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    handlers = {"Greet": grpc.unary_unary_rpc_method_handler(greet)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hello.Greeter", handlers),))
    server.add_insecure_port(address)
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=0.5))
    server.wait_for_termination()


def ask(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        sys.stdout.write(channel.unary_unary("/hello.Greeter/Greet")(b"World", timeout=5).decode() + "\n")


def main() -> None:
    {"serve": serve, "ask": ask}[sys.argv[1]](sys.argv[2])
