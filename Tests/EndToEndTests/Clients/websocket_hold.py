"""One WebSocket that echoes until a file is there: websocket_hold.py HOST PORT CA FILE."""

import asyncio
import os
import socket
import ssl
import sys

from websockets.asyncio.client import connect

host, port, authority, stop = sys.argv[1:]


async def main():
    context = ssl.create_default_context(cafile=authority)
    plain = socket.create_connection(("127.0.0.1", int(port)))
    plain.setblocking(False)
    async with connect(
        f"wss://{host}:{port}/", ssl=context, sock=plain, server_hostname=host,
        ping_interval=None,
    ) as connection:
        count = 0
        while not os.path.exists(stop):
            count += 1
            await connection.send(str(count))
            assert await asyncio.wait_for(connection.recv(), 20) == str(count)
            print("echoed", count, flush=True)
            await asyncio.sleep(0.1)
        await connection.send("last")
        assert await asyncio.wait_for(connection.recv(), 20) == "last"
        print("whole", flush=True)


asyncio.run(main())
