"""Serve over TLS: `secure.py PORT CERTIFICATE KEY`."""

import socket
import ssl
import sys
from typing import Any

from serving import listening, serve


class Secure:
    """A listener that continues after a failed handshake."""

    def __init__(self, port: int, certificate: str, key: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._listener = context.wrap_socket(listening(port), server_side=True)

    def accept(self) -> tuple[socket.socket, Any]:
        while True:
            accepted = self._try()
            if accepted is not None:
                return accepted

    def _try(self) -> tuple[socket.socket, Any] | None:
        try:
            return self._listener.accept()
        except OSError:
            return None


serve(Secure(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
