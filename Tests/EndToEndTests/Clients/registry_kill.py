"""A router that is killed while its registry is written, again and again: STRAIT FOLDER KILLS SEED.

After each kill the next router must have every change that was acknowledged, and of the one that was
not either all or nothing; and must serve all of it. Prints `kills N acknowledged N unacknowledged N
kept N`, or what was lost.
"""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time

strait, folder, kills, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
random.seed(seed)
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
with open("strait.yaml", "w") as file:
    file.write(
        "workers: 1\naccess: { path: \"off\" }\nadmin: { unix: a }\n"
        "listeners: [{ name: public, address: \"127.0.0.1:0\", protocols: [tls] }]\n"
        "registry: { path: registry.db }\n")


class Operator(http.client.HTTPConnection):
    """HTTP over the operators' socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect("a")


def ask(method, path, body=None):
    operator = Operator("strait")
    operator.request(method, path, body)
    answer = operator.getresponse()
    text = answer.read()
    operator.close()
    return answer.status, json.loads(text) if text else None


def start():
    router = subprocess.Popen(
        [strait, "serve", "--config", "strait.yaml"], stdout=subprocess.DEVNULL,
        stderr=open("log", "a"))
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if router.poll() is not None:
            sys.exit(f"the router ended with {router.returncode}")
        try:
            status, answer = ask("GET", "/v1/status")
            if status == 200 and answer["status"] == "ready":
                return router, answer
        except (OSError, http.client.HTTPException, ValueError):
            pass
        time.sleep(0.01)  # a socket that is not there yet cannot be waited for
    sys.exit("the router is not ready")


def document(name, number):
    return {
        "name": name, "domains": [f"{name}.example.com", f"n{number}.{name}.example.org"],
        "services": [{
            "name": f"s{number}", "protocol": "web",
            "upstreams": [{"address": f"tcp://127.0.0.1:{1024 + number % 60000}"}]}],
    }


def stored():
    found, after = {}, ""
    while True:
        _, page = ask("GET", f"/v1/tenants?limit=1000{after}")
        for item in page["tenants"]:
            found[item["name"]] = item["document"]
        if "next" not in page:
            return found
        after = "&after=" + page["next"]


def change(number):
    """One change: what it is about, what it is to be, and the request."""
    name = f"t{random.randrange(12)}"
    if random.randrange(5) == 0:
        return name, None, ("DELETE", f"/v1/tenants/{name}")
    wanted = document(name, number)
    return name, wanted, ("PUT", f"/v1/tenants/{name}", json.dumps(wanted))


known, pending, number = {}, None, 0
acknowledged = unacknowledged = kept = 0
for _ in range(kills):
    router, status = start()
    found = stored()
    if pending is not None:
        name, wanted = pending
        if found.get(name) == wanted and wanted != known.get(name):
            kept += 1
            if wanted is None:
                known.pop(name, None)
            else:
                known[name] = wanted
    if found != known:
        sys.exit(f"lost or torn: {found} instead of {known}, pending {pending}")
    served = {service["tenant"]: service["service"] for service in status["services"]}
    if served != {name: wanted["services"][0]["name"] for name, wanted in known.items()}:
        sys.exit(f"not served: {served} instead of {known}")
    pending = None
    end = time.monotonic() + random.uniform(0.005, 0.15)
    killer = None
    while True:
        number += 1
        name, wanted, request = change(number)
        if killer is None and time.monotonic() > end:
            # While the next request is under way.
            killer = subprocess.Popen(
                ["/bin/sh", "-c", f"sleep {random.uniform(0, 0.008):.4f}; kill -9 {router.pid}"])
        try:
            code, _ = ask(*request)
        except (OSError, http.client.HTTPException, ValueError):
            pending = (name, wanted)
            unacknowledged += 1
            break
        if code in (200, 201):
            acknowledged += 1
            if wanted is None:
                known.pop(name, None)
            else:
                known[name] = wanted
        elif code != 404:
            sys.exit(f"{request} was answered with {code}")
    killer.wait()
    router.wait()
router, _ = start()
router.terminate()
router.wait()
print(f"kills {kills} acknowledged {acknowledged} unacknowledged {unacknowledged} kept {kept}")
