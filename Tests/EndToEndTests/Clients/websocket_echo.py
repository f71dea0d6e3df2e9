"""A WebSocket that sends back what it gets, on the loopback interface: websocket_echo.py PORT."""

import asyncio
import sys

from websockets.asyncio.server import serve


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def main():
    async with serve(echo, ["127.0.0.1", "::1"], int(sys.argv[1]), max_size=2**26):
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
