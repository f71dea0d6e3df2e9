"""SPDY/3.1 as Kubernetes speaks it, the side that is dialled: frames and streams over a pipe of bytes.

There is no flow control, as in the library that Kubernetes uses: a stream that is not read stops the
connection.
"""

import asyncio
import struct
import zlib

# SPDY/3 §2.6.10.1: words with their lengths, then text.
WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base content-encoding "
    "content-language content-length content-location content-md5 content-range content-type date "
    "etag expect expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified location max-forwards pragma proxy-authenticate "
    "proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status").split() + [
    "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"]
TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0.")
DICTIONARY = b"".join(struct.pack(">I", len(w)) + w.encode() for w in WORDS) + TEXT.encode()

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY = 1, 2, 3, 4, 6, 7
FIN = 1
FRAME_BYTES = 32 * 1024
QUEUED_FRAMES = 64


class Stream:
    """One stream; both sides may end theirs alone."""

    def __init__(self, connection, number, headers):
        self.connection, self.number, self.headers = connection, number, headers
        self.received = asyncio.Queue(QUEUED_FRAMES)

    async def read(self):
        """The next bytes; none at the end."""
        return await self.received.get()

    async def write(self, data):
        for start in range(0, len(data), FRAME_BYTES):
            await self.connection.send_data(self.number, data[start:start + FRAME_BYTES])

    async def end(self):
        await self.connection.send_data(self.number, b"", FIN)


class Connection:
    """The frames of one connection: `read` gives its bytes, none at the end; `write` takes them."""

    def __init__(self, read, write):
        self.read, self.write = read, write
        self.buffer = b""
        self.streams = {}
        self.inflate = zlib.decompressobj(zdict=DICTIONARY)
        self.deflate = zlib.compressobj(zdict=DICTIONARY)

    async def run(self, accepted):
        """Reads until the other side is gone; `accepted` gets each stream that it opens."""
        try:
            while (frame := await self.frame()) is not None:
                await self.take(*frame, accepted)
        finally:
            for stream in self.streams.values():
                if not stream.received.full():
                    stream.received.put_nowait(b"")

    async def frame(self):
        head = await self.exactly(8)
        if head is None:
            return None
        word, length = struct.unpack(">II", head)
        body = await self.exactly(length & 0xFFFFFF)
        return None if body is None else (word, length >> 24, body)

    async def exactly(self, count):
        while len(self.buffer) < count:
            chunk = await self.read()
            if not chunk:
                return None
            self.buffer += chunk
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    async def take(self, word, flags, body, accepted):
        if not word & 0x80000000:
            stream = self.streams.get(word)
            if stream and body:
                await stream.received.put(body)
            if stream and flags & FIN:
                await stream.received.put(b"")
            return
        kind = word & 0xFFFF
        assert word >> 16 == 0x8003, f"version {word >> 16:x}"
        if kind == SYN_STREAM:
            number, = struct.unpack(">I", body[:4])
            stream = Stream(self, number, self.parse(self.inflate.decompress(body[10:])))
            self.streams[number] = stream
            if flags & FIN:
                stream.received.put_nowait(b"")
            await self.send_control(SYN_REPLY, struct.pack(">I", number) + self.no_headers())
            accepted(stream)
        elif kind == RST_STREAM:
            stream = self.streams.pop(struct.unpack(">I", body[:4])[0], None)
            if stream:
                await stream.received.put(b"")
        elif kind == PING:
            await self.send_control(PING, body)
        else:
            assert kind in (SETTINGS, GOAWAY), f"frame {kind}"

    @staticmethod
    def parse(block):
        """The pairs of a header block; names are in lower case."""
        texts, place = [], 4
        while place < len(block):
            length, = struct.unpack(">I", block[place:place + 4])
            texts.append(block[place + 4:place + 4 + length].decode())
            place += 4 + length
        return dict(zip(texts[::2], texts[1::2]))

    def no_headers(self):
        return self.deflate.compress(struct.pack(">I", 0)) + self.deflate.flush(zlib.Z_SYNC_FLUSH)

    async def send_control(self, kind, body):
        await self.write(struct.pack(">HHI", 0x8003, kind, len(body)) + body)

    async def send_data(self, number, data, flags=0):
        await self.write(struct.pack(">II", number, flags << 24 | len(data)) + data)
