"""Opens a page in Firefox and tells its text: firefox_open.py PROFILE URL.

Speaks WebDriver BiDi, the protocol that Firefox itself offers, over its WebSocket.
"""

import asyncio
import itertools
import json
import re
import subprocess
import sys

from websockets.asyncio.client import connect

profile, url = sys.argv[1:]


async def main():
    firefox = await asyncio.create_subprocess_exec(
        "firefox-esr", "--headless", "--no-remote", "--profile", profile,
        "--remote-debugging-port", "0", "about:blank",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = []
    try:
        place = None
        while place is None:
            line = (await asyncio.wait_for(firefox.stderr.readline(), 60)).decode()
            assert line, "".join(said)
            said.append(line)
            place = re.search(r"WebDriver BiDi listening on (ws://\S+)", line)
        draining = asyncio.create_task(firefox.stderr.read())
        async with connect(f"{place[1]}/session") as socket:
            numbers = itertools.count(1)

            async def ask(method, **parameters):
                number = next(numbers)
                await socket.send(json.dumps(
                    {"id": number, "method": method, "params": parameters}))
                while True:
                    answer = json.loads(await asyncio.wait_for(socket.recv(), 60))
                    if answer.get("id") == number:
                        return answer

            await ask("session.new", capabilities={})
            tree = await ask("browsingContext.getTree")
            page = tree["result"]["contexts"][0]["context"]
            opened = await ask("browsingContext.navigate", context=page, url=url, wait="complete")
            if opened["type"] == "error":
                print("error", opened["message"].split("\n")[0])
                return
            text = await ask("script.evaluate", expression="document.body.innerText",
                             target={"context": page}, awaitPromise=False)
            print("page", text["result"]["result"]["value"].strip())
        draining.cancel()
    finally:
        if firefox.returncode is None:
            firefox.terminate()
        await firefox.wait()


asyncio.run(main())
