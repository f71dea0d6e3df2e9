"""Requests and one long transfer until SIGTERM, all counted: load.py ADDRESS PORT CA HOST BYTES."""

import asyncio
import signal
import ssl
import sys

address, port, authority, host, size = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
done = failed = 0
problems = []
stopping = asyncio.Event()


async def fetch(path, expected, pause=0.0):
    reader, writer = await asyncio.open_connection(
        address, int(port), ssl=context, server_hostname=host)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    count = 0
    while chunk := await reader.read(65536):
        count += len(chunk)
        if pause:
            await asyncio.sleep(pause)
    assert expected is None or count == expected, (count, expected)
    writer.close()


async def worker(path, expected, pause=0.0):
    global done, failed
    while not stopping.is_set():
        try:
            await asyncio.wait_for(fetch(path, expected, pause), 60)
            done += 1
        except Exception as error:  # every kind of failure counts
            failed += 1
            problems.append(repr(error))


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    workers = [worker("/", None) for _ in range(4)] + [worker("/blob", int(size), 0.002)]
    print("running", flush=True)
    await asyncio.gather(*workers)
    print("done", done, "failed", failed, *problems[:5])
    sys.exit(1 if failed or not done else 0)


asyncio.run(main())
