"""HTTP/1.1 and HTTP/2, the side that is dialled: both make the same `Exchange` of a request."""

import asyncio
import http
import json
import urllib.parse

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions


class Exchange:
    """A request, and the ways to answer it."""

    def __init__(self, method, target, headers, body, user_of):
        self.method, self.headers, self.body = method, headers, body
        parts = urllib.parse.urlsplit(target)
        self.path = parts.path
        self.query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        self.user = user_of(headers)

    def asks(self, name):
        """Whether a parameter says yes."""
        return self.query.get(name, [""])[0] in ("true", "1")

    def one(self, name, default=""):
        return self.query.get(name, [default])[0]

    async def answer(self, status, thing):
        """A whole answer: text as it is, anything else as JSON."""
        text = isinstance(thing, str)
        data = (thing if text else json.dumps(thing)).encode()
        await self.start(status, "text/plain" if text else "application/json", len(data))
        await self.send(data)
        await self.end()


class Exchange1(Exchange):
    version = "HTTP/1.1"

    def __init__(self, reader, writer, *rest):
        super().__init__(*rest)
        self.reader, self.writer = reader, writer
        self.chunked = False

    async def start(self, status, content_type, length=None):
        self.chunked = length is None
        size = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {length}"
        self.head(status, [f"Content-Type: {content_type}", size])
        await self.writer.drain()

    def head(self, status, fields):
        lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}", *fields, "", ""]
        self.writer.write("\r\n".join(lines).encode())

    async def send(self, data):
        if data:
            self.writer.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)
            await self.writer.drain()

    async def end(self):
        if self.chunked:
            self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    # After 101 the connection is a pipe of bytes.

    async def switch(self, *fields):
        self.head(101, ["Connection: Upgrade", *fields])
        await self.writer.drain()

    async def read(self):
        return await self.reader.read(65536)

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()


async def serve1(reader, writer, user_of, handle):
    """HTTP/1.1: one request after the other, until the other side goes or one is upgraded."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        first, *lines = head.decode().split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            name = name.lower()
            value = value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        exchange = Exchange1(reader, writer, method, target, headers, body, user_of)
        if "upgrade" in headers:
            await handle(exchange)
            return
        # A watch that nobody reads any more ends: nothing is sent while an answer is awaited.
        handling = asyncio.create_task(handle(exchange))
        leaving = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({handling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not handling.done():
                return
            await handling
        finally:
            handling.cancel()
            leaving.cancel()
            await asyncio.gather(handling, leaving, return_exceptions=True)


class Exchange2(Exchange):
    version = "HTTP/2.0"

    def __init__(self, connection, stream, *rest):
        super().__init__(*rest)
        self.connection, self.stream = connection, stream

    async def start(self, status, content_type, length=None):
        fields = [(":status", str(status)), ("content-type", content_type)]
        if length is not None:
            fields.append(("content-length", str(length)))
        self.connection.state.send_headers(self.stream, fields)
        await self.connection.flush()

    async def send(self, data):
        state = self.connection.state
        while data:
            room = min(state.local_flow_control_window(self.stream), state.max_outbound_frame_size)
            if room <= 0:
                await self.connection.wait_for_window()
                continue
            state.send_data(self.stream, data[:room])
            data = data[room:]
            await self.connection.flush()

    async def end(self):
        self.connection.state.end_stream(self.stream)
        await self.connection.flush()


class HTTP2:
    """HTTP/2: each request is a task of its own."""

    def __init__(self, reader, writer, user_of, handle):
        self.reader, self.writer, self.user_of, self.handle = reader, writer, user_of, handle
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.window = asyncio.Event()
        self.requests = {}
        self.tasks = {}

    async def flush(self):
        self.writer.write(self.state.data_to_send())
        await self.writer.drain()

    async def wait_for_window(self):
        self.window.clear()
        await self.window.wait()

    async def serve(self):
        self.state.initiate_connection()
        await self.flush()
        try:
            while data := await self.reader.read(65536):
                for event in self.state.receive_data(data):
                    self.take(event)
                await self.flush()
        finally:
            for task in self.tasks.values():
                task.cancel()
            await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    def take(self, event):
        match event:
            case h2.events.RequestReceived():
                self.requests[event.stream_id] = (dict(event.headers), bytearray())
            case h2.events.DataReceived():
                self.requests[event.stream_id][1].extend(event.data)
                self.state.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.begin(event.stream_id, *self.requests.pop(event.stream_id))
            case h2.events.StreamReset() if event.stream_id in self.tasks:
                self.tasks[event.stream_id].cancel()
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self.window.set()

    def begin(self, stream, fields, body):
        headers = {_text(name): _text(value) for name, value in fields.items()}
        exchange = Exchange2(
            self, stream, headers[":method"], headers[":path"], headers, bytes(body), self.user_of)
        task = self.tasks[stream] = asyncio.create_task(self.run(exchange))
        task.add_done_callback(lambda _: self.tasks.pop(stream, None))

    async def run(self, exchange):
        try:
            await self.handle(exchange)
        except h2.exceptions.ProtocolError:
            pass  # the other side has closed the stream


def _text(value):
    return value.decode() if isinstance(value, bytes) else value
