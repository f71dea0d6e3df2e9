"""New connections at a steady rate until SIGTERM: pool_load.py PORT RATE.

A line for each that ends: when it began (seconds since 1970), the name that answered or `failed`.
"""

import asyncio
import signal
import sys
import time

port, rate = int(sys.argv[1]), float(sys.argv[2])
stopping = asyncio.Event()
open_now = set()


async def once():
    began, name = time.time(), "failed"
    writer = None
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: pool\r\n\r\n")
            answer = await reader.read()
            if answer.startswith(b"HTTP/1.1 200 "):
                name = answer.rpartition(b"\r\n")[2].decode()
    except (OSError, TimeoutError):
        pass  # counted as failed
    finally:
        if writer:
            writer.close()
    print(f"{began:.6f} {name}")


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    start, count = time.monotonic(), 0
    while not stopping.is_set():
        due = int((time.monotonic() - start) * rate)
        while count < due:
            task = asyncio.create_task(once())
            open_now.add(task)
            task.add_done_callback(open_now.discard)
            count += 1
        sys.stdout.flush()
        await asyncio.sleep(0.005)
    await asyncio.gather(*open_now)
    print("done", flush=True)


asyncio.run(main())
