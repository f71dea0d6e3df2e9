"""Requests without a pause while a tenant is renamed, all counted.

rename_load.py STRAIT ADMIN PORT CA OLD NEW: asks www.OLD, renames once that runs, asks www.NEW too.
"""

import asyncio
import ssl
import sys

strait, admin, port, authority, old, new = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
before, after = 100, 200
counts = {old: 0, new: 0}
problems = []


async def connect(domain):
    return await asyncio.open_connection(
        "127.0.0.1", int(port), ssl=context, server_hostname=f"www.{domain}")


async def ask(reader, writer, domain):
    writer.write(f"GET / HTTP/1.1\r\nHost: www.{domain}\r\n\r\n".encode())
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    await reader.readexactly(int(length[0].split(b":")[1]))


async def worker(domain, count):
    for _ in range(count):
        try:
            async with asyncio.timeout(20):
                reader, writer = await connect(domain)
                await ask(reader, writer, domain)
                writer.close()
            counts[domain] += 1
        except Exception as error:  # every kind of failure counts
            problems.append(f"{domain}: {error!r}")


async def rename():
    while counts[old] < before:
        await asyncio.sleep(0)
    process = await asyncio.create_subprocess_exec(
        strait, "tenant", "rename", "acme", "anvil", "--domain", new, "--admin", admin,
        stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    # The new name leads there when the command has ended; the old one goes on.
    await asyncio.gather(*[worker(name, after) for name in (old, new) for _ in range(2)])


async def main():
    kept = await connect(old)
    await ask(*kept, old)
    await asyncio.gather(rename(), *[worker(old, before) for _ in range(4)])
    await ask(*kept, old)  # a connection from before the rename
    print("asked", counts[old], counts[new], "failed", len(problems), *problems[:5])
    sys.exit(1 if problems else 0)


asyncio.run(main())
