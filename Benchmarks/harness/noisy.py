"""What one tenant has to bear from another: its echoes over established connections and its new
connections, first alone, then while the other gets what a workload names. All from the core of the load;
the noise and the sink behind it run there only while nothing else wants to."""

import time

from . import processes
from .measure import Load, SETTLE_SECONDS, judged
from .peers import NEIGHBOUR
from .processes import Failed

LEAD_SECONDS = 1  # The noise begins before anything is timed and ends after.
ECHOES = ["--tls", "yes", "--connections", "20", "--rate", "500"]
ARRIVALS = ["--rate", "25"]


def noise(world, workload, peer, seconds):
    """The load of the other tenant, which ends by itself or is ended."""
    options = dict(workload.options)
    mode, host = options.pop("mode"), options.pop("host")
    kind = host.split("-")[0]
    if mode == "bulk":
        options["bytes"] = 1 << 44  # Beyond what goes in the time: it is ended, not awaited.
    else:
        options["seconds"] = seconds + 2 * LEAD_SECONDS
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return Load(world, mode, peer.port(kind), host, arguments), mode != "bulk"


def measure(world, workload, peer, quick):
    """One cell of one round: `value` is how much the 99th percentile of echoes grows, in microseconds."""
    seconds = workload.units(quick)

    def act(loads):
        before = world.settled_counters("echo")
        timed = ["--seconds", str(seconds), "--parts", "2"]
        port = peer.port("tls")
        echoes = Load(world, "paced", port, NEIGHBOUR, ECHOES + timed)
        arrivals = Load(world, "arrivals", port, NEIGHBOUR, ARRIVALS + timed)
        loads += [echoes, arrivals]
        for load in loads:
            load.line()
        other, is_awaited = noise(world, workload, peer, seconds)
        loads.append(other)
        processes.run_after_others(other.process.pid)
        other.line()
        time.sleep(SETTLE_SECONDS)
        quiet = part(echoes, arrivals)
        echoes.line()
        arrivals.line()
        other.go()
        time.sleep(LEAD_SECONDS)
        noisy = part(echoes, arrivals)
        made = other.line() if is_awaited else None
        check(world, before, (quiet, noisy))
        return {"value": noisy[0]["p99"] - quiet[0]["p99"], "quiet": quiet[0], "noisy": noisy[0],
                "quietArrivals": quiet[1], "noisyArrivals": noisy[1],
                "rate": made["units"] / made["seconds"] if made else 0}

    return judged(peer, act)


def part(echoes, arrivals):
    echoes.go()
    arrivals.go()
    return echoes.line(), arrivals.line()


def check(world, before, parts):
    """Every message came back; and an arrival that came through has reached the sink."""
    wanted = 20 + sum(arrivals["units"] for _, arrivals in parts)
    found = world.settled_counters("echo")["accepted"] - before["accepted"]
    if found < wanted:
        raise Failed(f"the sink counted {found} connections, expected at least {wanted}")
