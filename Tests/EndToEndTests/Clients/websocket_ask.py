"""Sends messages over a WebSocket and compares what returns: websocket_ask.py HOST ADDRESS PORT CA."""

import asyncio
import os
import socket
import ssl
import sys

from websockets.asyncio.client import connect

host, address, port, authority = sys.argv[1:]


async def main():
    context = ssl.create_default_context(cafile=authority)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    plain = socket.socket(family)
    plain.connect((address, int(port)))
    plain.setblocking(False)
    async with connect(
        f"wss://{host}:{port}/", ssl=context, sock=plain, server_hostname=host, max_size=2**26,
        open_timeout=20,
    ) as connection:
        sizes = []
        for size in (1, 100_000, 5_000_000):
            message = os.urandom(size)
            await connection.send(message)
            assert await connection.recv() == message
            sizes.append(size)
        print("echoed", *sizes)


asyncio.run(asyncio.wait_for(main(), 40))
