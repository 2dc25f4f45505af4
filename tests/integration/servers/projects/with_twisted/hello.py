"""A Twisted server: `hello.py HOST PORT`."""

from __future__ import annotations

import json
import sys

from twisted.internet import endpoints, reactor
from twisted.web import resource, server


class Hello(resource.Resource):
    isLeaf = True  # noqa: N815  # the name that Twisted reads

    def render_GET(self, request: server.Request) -> bytes:  # noqa: N802  # the name that Twisted calls
        request.setHeader("Content-Type", "application/json")
        return json.dumps({"message": "Hello World"}).encode()


if __name__ == "__main__":
    endpoint = endpoints.TCP4ServerEndpoint(reactor, int(sys.argv[2]), interface=sys.argv[1])
    endpoint.listen(server.Site(Hello()))
    reactor.run()
