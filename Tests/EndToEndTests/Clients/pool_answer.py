"""Answers each connection on loopback with its name, after a while: pool_answer.py PORT NAME MS."""

import asyncio
import sys

port, name, delay = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) / 1000


async def answer(reader, writer):
    try:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(delay)
        writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{name}".encode())
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # a connection that is cut is what the test is about
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=4096)
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
