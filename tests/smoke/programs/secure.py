"""Serves over TLS: `secure.py well PORT CERTIFICATE KEY`."""

import ssl
import sys

from serving import listening, serve

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3], sys.argv[4])


class Secure:
    """A listener whose bad handshakes are not the end."""

    def __init__(self, port: int) -> None:
        self._listener = context.wrap_socket(listening(port), server_side=True)

    def accept(self) -> object:
        while True:
            try:
                return self._listener.accept()
            except OSError:
                continue


serve(Secure(int(sys.argv[2])))
