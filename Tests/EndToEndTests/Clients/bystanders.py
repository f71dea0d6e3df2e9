"""Connections of a tenant while others change, all counted, until SIGTERM.

bystanders.py CA HOST PORT OWN-PORT HELD NEW: holds HELD connections to the router's PORT and a third
as many to the tenant's OWN-PORT, each of which exchanges bytes 20 times a second; and for as long makes
new ones, NEW at a time to each, 10 a second at most. HOST echoes. A held one counts as cut unless it answers once more at
the end.
"""

import asyncio
import os
import signal
import ssl
import sys

authority, host, *numbers = sys.argv[1:]
port, own, held, new = map(int, numbers)
context = ssl.create_default_context(cafile=authority)
seconds = 30  # for what should take milliseconds: a hang is a failure
echoes = opened = cut = failed = 0
problems = []
ready = []
stopping = asyncio.Event()


async def connect(where):
    return await asyncio.open_connection(
        "127.0.0.1", where, ssl=context, server_hostname=host)


async def exchange(reader, writer):
    global echoes
    sent = os.urandom(64)
    writer.write(sent)
    async with asyncio.timeout(seconds):
        assert await reader.readexactly(len(sent)) == sent
    echoes += 1


async def hold(where):
    global cut
    try:
        reader, writer = await connect(where)
        await exchange(reader, writer)
        ready.append(where)
        while not stopping.is_set():
            await exchange(reader, writer)
            await asyncio.sleep(0.05)
        await exchange(reader, writer)
        writer.close()
    except Exception as error:  # every kind of end counts
        cut += 1
        problems.append(repr(error))


async def make(where):
    global opened, failed
    while not stopping.is_set():
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await connect(where)
                await exchange(reader, writer)
                writer.close()
            opened += 1
            await asyncio.sleep(0.1)
        except Exception as error:  # every kind of failure counts
            failed += 1
            problems.append(repr(error))


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    places = [port] * held + [own] * (held // 3)
    holding = [asyncio.ensure_future(hold(where)) for where in places]
    while len(ready) + cut < len(places):
        await asyncio.sleep(0.01)
    print("running", flush=True)
    await asyncio.gather(*holding, *[make(where) for where in (port, own) for _ in range(new)])
    print(f"held {len(places)} cut {cut} opened {opened} failed {failed} echoes {echoes}",
          *problems[:5], flush=True)


asyncio.run(main())
