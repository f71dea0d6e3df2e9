"""How long established connections wait while others are made: echoes at a fixed rate, first alone,
then during a flood of full TLS handshakes on the same proxy, both on the core of the load."""

import time

from . import processes
from .measure import Load, SETTLE_SECONDS, judged
from .processes import Failed

FLOOD_HOST = "tls-echo.bench.test"
FLOOD_CONCURRENCY = 64
LEAD_SECONDS = 1  # The flood begins before the echoes are timed and ends after.


def measure(world, workload, peer, quick):
    """One cell of one round: `value` is the 99th percentile under the flood, in microseconds."""
    seconds = workload.units(quick)

    def act(loads):
        before = {name: world.settled_counters(name) for name in ("hello-echo", "echo")}
        echoes = Load(world, "paced", peer.port(workload.kind), workload.host,
                      workload.arguments(world.certificates, quick))
        loads.append(echoes)
        echoes.line()
        flood = Load(world, "handshake", peer.port("tls"), FLOOD_HOST,
                     ["--warmup", "100", "--concurrency", str(FLOOD_CONCURRENCY),
                      "--seconds", str(seconds + 2 * LEAD_SECONDS)])
        loads.append(flood)
        processes.run_after_others(flood.process.pid)
        flood.line()
        time.sleep(SETTLE_SECONDS)
        cell = run(echoes, flood)
        check(world, workload, before, cell, seconds)
        return cell

    return judged(peer, act)


def run(echoes, flood):
    echoes.go()
    quiet = echoes.line()
    echoes.line()
    flood.go()
    time.sleep(LEAD_SECONDS)
    echoes.go()
    flooded = echoes.line()
    handshakes = flood.line()
    return {"value": flooded["p99"], "rate": handshakes["units"] / handshakes["seconds"],
            "quiet": quiet, "flooded": flooded, "handshakes": handshakes["units"]}


def check(world, workload, before, cell, seconds):
    """Every message came back, and every handshake led to the sink and back."""
    messages = cell["quiet"]["units"] + cell["flooded"]["units"]
    wanted = 2 * seconds * workload.options["rate"]
    if messages != wanted:
        raise Failed(f"{messages} echoes, expected {wanted}")
    handshakes = cell["handshakes"] + 100
    accepted = {"echo": handshakes, "hello-echo": 0}
    accepted[workload.service] += workload.options["connections"]
    for name, amount in accepted.items():
        found = world.settled_counters(name)["accepted"] - before[name]["accepted"]
        if found != amount:
            raise Failed(f"the sink counted {found} connections for {name}, expected {amount}")
