"""One measurement: warm up, read the proxy's CPU time, load, check both ends, read again."""

import json
import os
import socket
import subprocess
import tempfile
import time

from . import certificates as pem
from . import processes
from .processes import Failed

SETTLE_SECONDS = 0.15
SERVICES = ["answer", "hello-echo", "hello-source", "echo", "source"]


class World:
    """What all measurements of a run share: a directory, certificates, the sink, the binaries."""

    def __init__(self, load, programs, proxy_cores, load_cores):
        self.temporary = tempfile.TemporaryDirectory(prefix="strait-bench-")
        self.directory = self.temporary.name
        os.chmod(self.directory, 0o755)
        self.load, self.programs = load, programs
        self.proxy_cores, self.load_cores = proxy_cores, load_cores
        self.certificates = pem.Certificates(self.directory)
        self.ports = iter(processes.free_ports(400))
        self.blocks = {}
        self.sink_ports = dict(zip(SERVICES, self.take_ports(len(SERVICES))))
        [self.counters_port] = self.take_ports(1)
        listen = list(self.sink_ports.items()) + [("counters", self.counters_port)]
        self.sink = processes.spawn(
            [load, "sink", "--listen", ",".join(f"{name}:{port}" for name, port in listen)],
            load_cores, os.path.join(self.directory, "sink.log"), stdin=subprocess.DEVNULL)
        processes.wait_for_port(self.counters_port, self.sink)
        self.noise_sink = self.start_noise_sink()

    def start_noise_sink(self):
        """What is behind the noise of one tenant is not what another one's echoes wait for."""
        source, echo, counters = self.take_ports(3)
        self.sink_ports |= {"noise-source": source, "noise-echo": echo}
        sink = processes.spawn(
            [self.load, "sink", "--listen",
             f"hello-source:{source},echo:{echo},counters:{counters}"],
            self.load_cores, os.path.join(self.directory, "noise-sink.log"),
            stdin=subprocess.DEVNULL)
        processes.wait_for_port(counters, sink)
        processes.run_after_others(sink.pid)
        return sink

    def take_ports(self, count):
        return [next(self.ports) for _ in range(count)]

    def port_block(self, count):
        """The first of so many ports in a row. Who asks again gets the same: one uses them at a time."""
        if count not in self.blocks:
            self.blocks[count] = processes.free_block(count)
        return self.blocks[count]

    def close(self):
        processes.stop(self.sink)
        processes.stop(self.noise_sink)
        self.temporary.cleanup()

    def counters(self, service):
        """What the sink has done so far for one service."""
        if self.sink.poll() is not None:
            raise Failed("the sink has ended")
        with socket.create_connection(("127.0.0.1", self.counters_port), timeout=5) as connection:
            with connection.makefile() as answer:
                return json.loads(answer.readline())[service]

    def settled_counters(self, service, seconds=10):
        """The same, once every accepted connection has ended."""
        deadline = time.monotonic() + seconds
        while True:
            counters = self.counters(service)
            if counters["ended"] + counters["broken"] == counters["accepted"]:
                return counters
            if time.monotonic() > deadline:
                raise Failed("the proxy has left connections to the upstream open: "
                             f"{json.dumps(counters)}")
            time.sleep(0.01)


class Load:
    """One load generator at work on one proxy."""

    def __init__(self, world, mode, target, host, arguments, address="127.0.0.1"):
        command = [world.load, mode, "--target", f"{address}:{target}", "--name", host,
                   "--gate", "yes", *arguments]
        self.log = os.path.join(world.directory, f"load-{time.monotonic_ns()}.log")
        self.process = processes.spawn(
            command, world.load_cores, self.log,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @classmethod
    def of(cls, world, workload, peer, units, warmup, quick):
        amount = "--bytes" if workload.mode == "bulk" else "--count"
        return cls(world, workload.mode, peer.port(workload.kind), workload.host,
                   ["--warmup", str(warmup), amount, str(units),
                    *workload.arguments(world.certificates, quick)], peer.address)

    def line(self):
        """The next JSON line. The generator itself gives up when nothing moves for ten seconds."""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            with open(self.log) as file:
                raise Failed(file.read().strip() or "the load generator ended without a result")
        return json.loads(line)

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self):
        processes.stop(self.process)
        self.process.stdin.close()
        self.process.stdout.close()


class Readings:
    """CPU times before and after."""

    def __init__(self, world, peer):
        self.proxy_cores = world.proxy_cores
        self.pids = {"proxy": peer.process.pid, "sink": world.sink.pid}
        self.before = self._read()

    def _read(self):
        busy, stolen = processes.busy_and_stolen_nanoseconds()
        values = {name: processes.cpu_nanoseconds(pid) for name, pid in self.pids.items()}
        return values | {"softirq": processes.softirq_nanoseconds(self.proxy_cores),
                         "busy": busy, "stolen": stolen, "wall": time.monotonic_ns()}

    def seconds(self):
        after = self._read()
        return {name: (after[name] - self.before[name]) / 1e9 for name in after}


def measure(world, workload, peer, quick, generators=1):
    """One cell of one round: a dictionary with `value`, or with `invalid` and the reason."""
    units, warmup = workload.units(quick), workload.warmup(quick)

    def act(loads):
        before = world.settled_counters(workload.service)
        for _ in range(generators):
            loads.append(Load.of(world, workload, peer, units // generators, warmup // generators,
                                 quick))
        for load in loads:
            load.line()
        time.sleep(SETTLE_SECONDS)
        if workload.is_idle:
            cell, results = weigh(world, workload, peer, loads[0], units)
        else:
            cell, results = time_cpu(world, workload, peer, loads, units)
        check(world, workload, before, results, warmup // generators * generators, generators)
        return cell

    return judged(peer, act)


def judged(peer, act):
    """What `act` measures, or `invalid` and the reason; ends the loads that it puts into its list."""
    loads = []
    try:
        cell = act(loads)
        if peer.process.poll() is not None:
            raise Failed("the proxy has ended")
        return cell
    except (Failed, OSError) as failure:
        return {"invalid": str(failure)}
    finally:
        for load in loads:
            load.close()


def time_cpu(world, workload, peer, loads, units):
    readings = Readings(world, peer)
    for load in loads:
        load.go()
    results = [load.line() for load in loads]
    if workload.mode != "pingpong":
        world.settled_counters(workload.service)
    time.sleep(SETTLE_SECONDS)
    seconds = readings.seconds()
    measured = sum(result["units"] for result in results)
    wall = max(result["seconds"] for result in results)
    generator = sum(result["cpuSeconds"] for result in results)
    total = seconds["proxy"] + seconds["softirq"]
    own = total + seconds["sink"] + generator
    return {
        "value": total / measured * workload.scale,
        "rate": measured / wall,
        "proxySeconds": seconds["proxy"],
        "softirqSeconds": seconds["softirq"],
        "loadCoreBusy": (generator + seconds["sink"]) / wall,
        "proxyCoreBusy": seconds["proxy"] / wall,
        "foreignSeconds": max(0.0, seconds["busy"] - own),
        "stolenSeconds": seconds["stolen"],
        "wallSeconds": seconds["wall"],
        "resets": sum(result.get("resets", 0) for result in results),
    }, results


def weigh(world, workload, peer, load, units):
    pid = peer.process.pid
    before = processes.resident_bytes(pid)
    load.go()
    load.line()
    time.sleep(SETTLE_SECONDS * 4)
    after = processes.resident_bytes(pid)
    load.go()
    result = load.line()
    return {"value": (after - before) / units * workload.scale, "rate": units / result["seconds"],
            "residentBefore": before, "residentAfter": after}, [result]


def measure_shape(world, workload, peer, quick):
    """A cell of a proxy with a configuration of its own, that runs already: also its memory."""
    cell = measure(world, workload, peer, quick)
    if "value" in cell:
        cell |= {"startSeconds": peer.start_seconds,
                 "residentBytes": processes.resident_bytes(peer.process.pid)}
    return cell


def check(world, workload, before, results, warmup, generators):
    """Compares the counts of the sink with those of the load generator."""
    after = world.settled_counters(workload.service)
    units = sum(result["units"] for result in results)
    expected = workload.expected(units, warmup, results)
    for name, amount in expected.items():
        if name in ("accepted", "bytesReceived", "bytesSent") and workload.extra_connections():
            amount += generators - 1
        found = after[name] - before[name]
        if found != amount:
            raise Failed(f"the sink counted {name} = {found}, expected {amount}")
    if workload.extra_connections():
        resumed = sum(result["resumed"] for result in results)
        if resumed != units:
            raise Failed(f"{resumed} of {units} handshakes were resumed")
