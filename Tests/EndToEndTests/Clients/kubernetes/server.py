"""A double of a Kubernetes API server on the loopback interface, with HTTP/1.1 and HTTP/2.

    server.py TLS-PORT PLAIN-PORT CERTIFICATE KEY CLIENT-CA FOLDER

Knows two pods in namespace `default`; `web` takes WebSocket and SPDY, `old` SPDY alone, as API servers
before 1.30. Commands run really, in the pod's folder below FOLDER. A client certificate of CLIENT-CA
says who somebody is, else the bearer token: `token-of-NAME` is NAME. In clear, on PLAIN-PORT, there is
HTTP/1.1 only. Each request is a line of JSON on standard output.
"""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys

import frontends
import objects
import streaming

tls_port, plain_port, certificate, key, client_ca, folder = sys.argv[1:]
BOOKMARK_SECONDS = 10


class Problem(Exception):
    """An answer that is no success."""

    def __init__(self, status, reason, message):
        self.status = status
        self.body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                     "message": message, "reason": reason, "code": status}


def user_of(peer):
    """Who a request is from: the certificate counts before the token, as in Kubernetes."""
    subject = dict(part[0] for part in (peer or {}).get("subject", ()))

    def user(headers):
        if "commonName" in subject:
            return {"username": subject["commonName"], "groups": ["by-certificate"]}
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and token.startswith("token-of-"):
            return {"username": token.removeprefix("token-of-"), "groups": ["by-token"]}
        return None

    return user


class API:
    def __init__(self):
        self.pods = objects.Pods(folder, ["web", "old"])

    async def handle(self, exchange):
        """Answers one request."""
        note(exchange)
        try:
            if exchange.user is None:
                raise Problem(401, "Unauthorized", "Unauthorized")
            await self.route(exchange)
        except Problem as problem:
            await exchange.answer(problem.status, problem.body)
        except streaming.Refused as refusal:
            await exchange.answer(400, Problem(400, "BadRequest", str(refusal)).body)

    async def route(self, exchange):
        match exchange.path.strip("/").split("/"):
            case ["api"] | ["apis"]:
                await self.discover(exchange)
            case ["version"]:
                await exchange.answer(200, {
                    "major": "1", "minor": "37", "gitVersion": "v1.37.0",
                    "platform": "linux/amd64"})
            case ["readyz"]:
                await exchange.answer(200, "ok")
            case ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]:
                seen = {"http": [exchange.version]}
                await exchange.answer(201, {
                    "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
                    "metadata": {}, "status": {"userInfo": exchange.user | {"extra": seen}}})
            case ["api", "v1", "namespaces"]:
                await exchange.answer(200, {
                    "kind": "NamespaceList", "apiVersion": "v1", "metadata": {},
                    "items": [objects.namespace("default")]})
            case ["api", "v1", "namespaces", "default"]:
                await exchange.answer(200, objects.namespace("default"))
            case ["api", "v1", "namespaces", "default", "pods"] | ["api", "v1", "pods"]:
                await (self.watch if exchange.asks("watch") else self.list)(exchange)
            case ["api", "v1", "namespaces", "default", "pods", name, *rest]:
                if name not in self.pods.all:
                    raise Problem(404, "NotFound", f'pods "{name}" not found')
                await self.pod(exchange, name, *rest)
            case _:
                raise Problem(404, "NotFound", "the server could not find the requested resource")

    async def discover(self, exchange):
        data = json.dumps(objects.discovery(exchange.path)).encode()
        kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        await exchange.start(200, kind, len(data))
        await exchange.send(data)
        await exchange.end()

    async def pod(self, exchange, name, what=None):
        if what == "exec" or what == "portforward":
            if name == "old" and exchange.headers.get("upgrade", "").lower() == "websocket":
                raise Problem(400, "BadRequest", "WebSocket is not spoken here")
            if what == "exec":
                await streaming.execute(exchange, self.pods.folder_of(name))
            else:
                await streaming.forward(exchange)
        elif what == "log":
            await self.log(exchange, name)
        elif what is None and exchange.method == "PATCH":
            patch = json.loads(exchange.body)
            await self.show(exchange, [await self.pods.patch(name, patch)])
        elif what is None:
            await self.show(exchange, [self.pods.all[name]])
        else:
            raise Problem(404, "NotFound", "the server could not find the requested resource")

    async def show(self, exchange, pods):
        """One pod, as the request wants it."""
        if wants_table(exchange):
            await exchange.answer(200, objects.table(pods, str(self.pods.version)))
        else:
            await exchange.answer(200, pods[0])

    def selected(self, exchange):
        """Whether a pod is meant by the field selector, which may name one."""
        _, _, name = exchange.one("fieldSelector").partition("metadata.name=")
        return lambda pod: name in ("", pod["metadata"]["name"])

    async def list(self, exchange):
        pods = list(filter(self.selected(exchange), self.pods.all.values()))
        version = str(self.pods.version)
        if wants_table(exchange):
            await exchange.answer(200, objects.table(pods, version))
        else:
            await exchange.answer(200, {
                "kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version},
                "items": pods})

    async def watch(self, exchange):
        """Events until the time that was asked for is over, or the other side leaves."""
        selected, version = self.selected(exchange), self.pods.version
        await exchange.start(200, "application/json")

        async def tell(kind, thing):
            await exchange.send(json.dumps({"type": kind, "object": thing}).encode() + b"\n")

        async def tell_pod(kind, pod):
            shown = objects.table([pod], str(version)) if wants_table(exchange) else pod
            await tell(kind, shown)

        async def bookmark(**annotations):
            if exchange.asks("allowWatchBookmarks"):
                await tell("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": {
                    "resourceVersion": str(version), "annotations": annotations}})

        if exchange.asks("sendInitialEvents") or exchange.one("resourceVersion") in ("", "0"):
            for pod in filter(selected, list(self.pods.all.values())):
                await tell_pod("ADDED", pod)
            await bookmark(**{"k8s.io/initial-events-end": "true"})
        else:
            version = int(exchange.one("resourceVersion"))

        async def changes():
            nonlocal version
            async for version, pod in self.pods.changes(version):
                if selected(pod):
                    await tell_pod("MODIFIED", pod)

        async def bookmarks():
            while True:
                await asyncio.sleep(BOOKMARK_SECONDS)
                await bookmark()

        try:
            async with asyncio.timeout(float(exchange.one("timeoutSeconds") or "1800")):
                await asyncio.gather(changes(), bookmarks())
        except TimeoutError:
            await exchange.end()

    async def log(self, exchange, name):
        """The log as it is, or as it grows; tail(1) knows how."""
        follow = ["--follow"] if exchange.asks("follow") else []
        lines = exchange.one("tailLines") or "+1"
        process = await asyncio.create_subprocess_exec(
            "tail", f"--lines={lines}", *follow, self.pods.log_of(name),
            stdout=asyncio.subprocess.PIPE)
        try:
            await exchange.start(200, "text/plain")
            while data := await process.stdout.read(32 * 1024):
                await exchange.send(data)
            await exchange.end()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def wants_table(exchange):
    return "as=Table" in exchange.headers.get("accept", "")


def note(exchange):
    print(json.dumps({
        "method": exchange.method, "path": exchange.path, "http": exchange.version,
        "upgrade": exchange.headers.get("upgrade", ""),
        "user": (exchange.user or {}).get("username", "")}), flush=True)


async def main():
    parent = os.getppid()
    api = API()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(client_ca)
    context.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(reader, writer):
        tls = writer.get_extra_info("ssl_object")
        user = user_of(writer.get_extra_info("peercert"))
        try:
            if tls and tls.selected_alpn_protocol() == "h2":
                await frontends.HTTP2(reader, writer, user, api.handle).serve()
            else:
                await frontends.serve1(reader, writer, user, api.handle)
        except (ConnectionError, asyncio.CancelledError):
            pass  # cut, which some tests are about, or this program ends
        finally:
            writer.close()

    for port, tls in ((tls_port, context), (plain_port, None)):
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            await asyncio.start_server(
                serve, address, int(port), family=family, ssl=tls, backlog=1024)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    while not stopped.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(stopped.wait(), 1)
        except TimeoutError:
            pass  # looks again whether who started this is still there


asyncio.run(main())
