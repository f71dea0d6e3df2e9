"""What follows an upgrade: exec over SPDY or WebSocket, and port-forward over SPDY, alone or in WebSocket."""

import asyncio
import base64
import hashlib
import json
import os
import signal

import wsproto.connection
import wsproto.events

import spdy

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
EXEC_SPDY = ["v4.channel.k8s.io"]
EXEC_WEBSOCKET = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
FORWARD_SPDY = ["portforward.k8s.io"]
FORWARD_WEBSOCKET = ["SPDY/3.1+portforward.k8s.io"]
CONNECT_SECONDS = 10
LAST_SECONDS = 10


class Refused(Exception):
    """An upgrade that is not done; the text is for the one who asked."""


def choose(offered, ours):
    for name in offered:
        if name in ours:
            return name
    raise Refused(f"unable to upgrade: none of {offered} is spoken here")


async def upgrade(exchange, spdy_names, websocket_names):
    """Does what the request's Upgrade field asks; returns the protocol that was chosen."""
    asked = exchange.headers.get("upgrade", "").lower()

    def offered(field):
        return [name.strip() for name in exchange.headers.get(field, "").split(",")]

    if asked == "spdy/3.1":
        name = choose(offered("x-stream-protocol-version"), spdy_names)
        await exchange.switch("Upgrade: SPDY/3.1", f"X-Stream-Protocol-Version: {name}")
    elif asked == "websocket":
        name = choose(offered("sec-websocket-protocol"), websocket_names)
        key = exchange.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        await exchange.switch(
            "Upgrade: websocket", f"Sec-WebSocket-Accept: {accept}",
            f"Sec-WebSocket-Protocol: {name}")
    else:
        raise Refused("Upgrade request required")
    return asked, name


class WebSocket:
    """Binary messages over an upgraded connection."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.state = wsproto.connection.Connection(wsproto.connection.ConnectionType.SERVER)
        self.messages = self.receive()

    async def receive(self):
        """Yields each message, until the other side closes."""
        message = b""
        while chunk := await self.exchange.read():
            self.state.receive_data(chunk)
            for event in self.state.events():
                match event:
                    case wsproto.events.BytesMessage():
                        message += event.data
                        if event.message_finished:
                            yield message
                            message = b""
                    case wsproto.events.Ping():
                        await self.exchange.write(self.state.send(event.response()))
                    case wsproto.events.CloseConnection():
                        if self.state.state is wsproto.connection.ConnectionState.REMOTE_CLOSING:
                            await self.exchange.write(self.state.send(event.response()))
                        return

    async def read(self):
        """The next bytes of a tunnel; none at the end. A message may have none, and is no end."""
        async for message in self.messages:
            if message:
                return message
        return b""

    async def write(self, data):
        event = wsproto.events.BytesMessage(bytes(data))
        await self.exchange.write(self.state.send(event))

    async def close(self):
        if self.state.state is wsproto.connection.ConnectionState.OPEN:
            event = wsproto.events.CloseConnection(1000)
            await self.exchange.write(self.state.send(event))


class WebSocketChannels:
    """The channels of exec by the first byte of each message."""

    def __init__(self, exchange, protocol):
        self.socket, self.protocol = WebSocket(exchange), protocol
        self.stdin = asyncio.Queue(64)

    async def run(self):
        async for message in self.socket.messages:
            if message[0] == STDIN and len(message) > 1:
                await self.stdin.put(message[1:])
            elif message[0] == CLOSE and self.protocol == "v5.channel.k8s.io":
                assert message[1:] == bytes([STDIN]), message
                await self.stdin.put(b"")

    async def ready(self):
        pass

    async def read_stdin(self):
        return await self.stdin.get()

    async def write(self, channel, data):
        await self.socket.write(bytes([channel]) + data)

    async def finish(self, status):
        await self.write(ERROR, status)
        await self.socket.close()


class SPDYChannels:
    """The channels of exec by the header `streamType` of each stream."""

    NAMES = {STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", ERROR: "error"}

    def __init__(self, exchange, wanted):
        self.connection = spdy.Connection(exchange.read, exchange.write)
        self.missing = {self.NAMES[channel] for channel in wanted}
        self.streams = {}
        self.complete = asyncio.Event()

    async def run(self):
        await self.connection.run(self.accept)

    def accept(self, stream):
        kind = stream.headers["streamtype"]
        self.streams[kind] = stream
        self.missing.discard(kind)
        if not self.missing:
            self.complete.set()

    async def ready(self):
        await self.complete.wait()

    async def read_stdin(self):
        return await self.streams["stdin"].read()

    async def write(self, channel, data):
        await self.streams[self.NAMES[channel]].write(data)

    async def finish(self, status):
        await self.write(ERROR, status)
        for stream in self.streams.values():
            await stream.end()


async def while_connected(channels, work):
    """Does the work, unless the other side leaves first; then waits for it to leave."""
    running, working = asyncio.create_task(channels.run()), asyncio.create_task(work)
    try:
        await asyncio.wait({running, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
            await asyncio.wait({running}, timeout=LAST_SECONDS)
    finally:
        for task in (running, working):
            task.cancel()
        await asyncio.gather(running, working, return_exceptions=True)


async def execute(exchange, folder):
    """pods/exec: runs the command, really, in a folder."""
    asks = {STDIN: exchange.asks("stdin"), STDOUT: exchange.asks("stdout"),
            STDERR: exchange.asks("stderr"), ERROR: True}
    wanted = {channel for channel, asked in asks.items() if asked}
    asked, name = await upgrade(exchange, EXEC_SPDY, EXEC_WEBSOCKET)
    if asked == "websocket":
        channels = WebSocketChannels(exchange, name)
    else:
        channels = SPDYChannels(exchange, wanted)
    await while_connected(channels, run(exchange.query["command"], folder, channels, wanted))


async def run(command, folder, channels, wanted):
    await channels.ready()
    none = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, start_new_session=True,
            stdin=asyncio.subprocess.PIPE if STDIN in wanted else none,
            stdout=asyncio.subprocess.PIPE if STDOUT in wanted else none,
            stderr=asyncio.subprocess.PIPE if STDERR in wanted else none)
    except OSError as error:
        await channels.finish(failure("InternalError", str(error)))
        return
    feeding = asyncio.create_task(feed(process, channels)) if STDIN in wanted else None
    try:
        await asyncio.gather(*(
            pump(pipe, channels, channel)
            for pipe, channel in ((process.stdout, STDOUT), (process.stderr, STDERR)) if pipe))
        code = await process.wait()
        await channels.finish(exit_status(code if code >= 0 else 128 - code))
    finally:
        if feeding:
            feeding.cancel()
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)


async def feed(process, channels):
    try:
        while data := await channels.read_stdin():
            process.stdin.write(data)
            await process.stdin.drain()
        process.stdin.close()
    except ConnectionError:
        pass  # it reads no more; what it says is what counts


async def pump(pipe, channels, channel):
    while data := await pipe.read(32 * 1024):
        await channels.write(channel, data)


def exit_status(code):
    if code == 0:
        return json.dumps({"metadata": {}, "status": "Success"}).encode()
    return failure(
        "NonZeroExitCode", f"command terminated with non-zero exit code: {code}",
        causes=[{"reason": "ExitCode", "message": str(code)}])


def failure(reason, message, **details):
    return json.dumps({
        "metadata": {}, "status": "Failure", "reason": reason, "message": message,
        "details": details}).encode()


async def forward(exchange):
    """pods/portforward: two streams, data and error, for each connection to a local port."""
    asked, _ = await upgrade(exchange, FORWARD_SPDY, FORWARD_WEBSOCKET)
    pipe = WebSocket(exchange) if asked == "websocket" else exchange
    connection = spdy.Connection(pipe.read, pipe.write)
    errors, tasks = {}, set()

    def accept(stream):
        request = stream.headers["requestid"]
        if stream.headers["streamtype"] == "error":
            errors[request] = stream
        else:
            task = asyncio.create_task(join(stream, errors.pop(request)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    try:
        await connection.run(accept)
    finally:
        for task in set(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def dial(port):
    """A port of the pod's machine: either loopback address, as in a pod."""
    for address in ("127.0.0.1", "::1"):
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(address, port)
        except OSError as error:
            problem = error
    raise problem


async def join(stream, errors):
    """One forwarded connection; each direction ends by itself."""
    port = int(stream.headers["port"])
    writer = None
    try:
        reader, writer = await dial(port)

        async def up():
            while data := await stream.read():
                writer.write(data)
                await writer.drain()
            writer.write_eof()

        async def down():
            while data := await reader.read(32 * 1024):
                await stream.write(data)
            await stream.end()

        await asyncio.gather(up(), down())
        await errors.end()
    except OSError as error:
        await errors.write(f"an error occurred forwarding to {port}: {error}".encode())
        await errors.end()
        await stream.end()
        while await stream.read():
            pass  # what still comes must not stop the other streams
    finally:
        if writer:
            writer.close()
