"""What is measured, with how much of it, and what must be counted at both ends."""

from dataclasses import dataclass, field

from . import shapes


@dataclass(frozen=True)
class Workload:
    name: str
    group: str
    title: str
    unit: str
    kind: str  # The host name's prefix: pass, tls, mutual.
    service: str  # What the sink does; with the kind it makes the host name.
    mode: str  # Mode of the load generator.
    amount: int  # Measured units: connections, round trips, bytes.
    quick: int  # The same under --quick.
    scale: float  # From CPU seconds per unit to the unit of the table.
    options: dict = field(default_factory=dict)
    routes: int = 0  # Host names of the proxy's configuration.
    ports: int = 0  # Its listening ports.
    tenants: int = 0  # Tenants of its registry.
    leases: bool = False  # Whether they are reached by ports of their own.

    @property
    def host(self):
        if self.routes or self.tenants:
            return shapes.host_name(0)
        short = {"answer": "answer", "hello-echo": "echo", "hello-source": "source",
                 "echo": "echo", "source": "source", "neighbour": "neighbour"}[self.service]
        return f"{self.kind}-{short}.bench.test"

    @property
    def is_idle(self):
        return self.mode == "idle"

    @property
    def is_flood(self):
        return self.mode == "paced"

    @property
    def is_noisy(self):
        return self.mode == "noisy"

    @property
    def family(self):
        """Workloads that differ in the size of the proxy's configuration alone; None elsewhere."""
        return self.name.split("-")[0] if self.routes or self.ports or self.tenants else None

    def shape(self, quick):
        """A tenth of the size under --quick."""
        part = 10 if quick else 1
        return shapes.Shape(-(-self.routes // part), max(1, self.ports // part),
                            -(-self.tenants // part), self.leases)

    @property
    def tls(self):
        return self.kind != "pass"

    def units(self, quick):
        return self.quick if quick else self.amount

    def warmup(self, quick):
        if self.is_idle:
            return 20
        return max(self.units(quick) // 10, 1)

    def arguments(self, certificates, quick):
        options = dict(self.options)
        if self.family:
            shape = self.shape(quick)
            options |= {"names": max(1, shape.names)} | (
                {"ports": shape.tenants, "port-step": shapes.PORTS_OF_A_TENANT} if shape.leases
                else {"ports": shape.ports})
        if self.is_flood:
            options["seconds"] = self.units(quick)
        if self.kind == "mutual":
            options |= {"certificate": certificates.downstream_chain,
                        "key": certificates.downstream_key}
        if (self.is_idle or self.is_flood) and self.tls:
            options["tls"] = "yes"
        return [part for name, value in options.items() for part in (f"--{name}", str(value))]

    def extra_connections(self):
        """A resumed run makes one full handshake for its ticket."""
        return 1 if "resume" in self.options else 0

    def expected(self, units, warmup, results):
        """Counters of the sink that must have grown by exactly this much."""
        total = units + warmup + self.extra_connections()
        sent = sum(result["bytesSent"] for result in results)
        if self.mode == "connect":
            each_hello = sent // units
            return {"accepted": total, "hellos": total, "ended": total, "broken": 0,
                    "bytesReceived": each_hello * total, "bytesSent": 24 * total}
        if self.mode == "handshake":
            return {"accepted": total, "bytesReceived": total, "bytesSent": total}
        if self.mode == "bulk":
            streams = self.options.get("streams", 1)
            expected = {"accepted": 2 * streams, "ended": 2 * streams, "broken": 0}
            if self.tls:
                return expected | {"bytesReceived": 16 * streams, "bytesSent": total}
            return expected | {"hellos": 2 * streams, "bytesSent": total + 24 * 2 * streams}
        if self.mode == "pingpong":
            connections = self.options["connections"]
            size = self.options["size"]
            return {"accepted": connections, "hellos": connections,
                    "bytesSent": total * size + 24 * connections}
        if self.tls:  # Idle: one byte when opened, one when held.
            return {"accepted": total, "bytesReceived": total + units, "bytesSent": total + units}
        return {"accepted": total, "hellos": total, "bytesSent": total * 24 + units}


MILLION = 1_000_000

ALL = [
    Workload("connect", "passthrough", "New connections", "µs per connection",
             "pass", "answer", "connect", 8_000, 1_000, 1e6),
    Workload("pingpong", "passthrough", "Ping-pong, 64 bytes", "µs per round trip",
             "pass", "hello-echo", "pingpong", 80_000, 8_000, 1e6,
             {"connections": 16, "size": 64}),
    Workload("bulk-1", "passthrough", "Bulk, 1 stream", "s per GB",
             "pass", "hello-source", "bulk", 3_000 * MILLION, 200 * MILLION, 1e9),
    Workload("bulk-16", "passthrough", "Bulk, 16 streams", "s per GB",
             "pass", "hello-source", "bulk", 3_200 * MILLION, 320 * MILLION, 1e9,
             {"streams": 16}),
    Workload("full", "tls", "Full handshakes", "µs per handshake",
             "tls", "echo", "handshake", 1_500, 200, 1e6),
    Workload("resumed", "tls", "Resumed handshakes", "µs per handshake",
             "tls", "echo", "handshake", 2_000, 200, 1e6, {"resume": "yes"}),
    Workload("mutual", "tls", "Full handshakes with a downstream certificate",
             "µs per handshake", "mutual", "echo", "handshake", 700, 100, 1e6),
    Workload("bulk-tls", "tls", "Terminated bulk, 1 stream, AES-128-GCM", "s per GB",
             "tls", "source", "bulk", 1_500 * MILLION, 100 * MILLION, 1e9, {"tls": "yes"}),
    Workload("idle-pass", "memory", "Idle passthrough connections", "KB per connection",
             "pass", "hello-echo", "idle", 4_000, 400, 1 / 1024),
    Workload("idle-tls", "memory", "Idle TLS connections", "KB per connection",
             "tls", "echo", "idle", 2_000, 200, 1 / 1024),
    Workload("idle-mutual", "memory", "Idle TLS connections with a downstream certificate",
             "KB per connection", "mutual", "echo", "idle", 1_000, 100, 1 / 1024),
    *[Workload(f"routes-{routes}", "scale", f"{routes:,} host name{'s' if routes > 1 else ''}",
               "µs per connection", "pass", "answer", "connect", 8_000, 500, 1e6, routes=routes)
      for routes in (1, 10_000, 100_000)],
    *[Workload(f"ports-{ports}", "scale", f"{ports:,} listening port{'s' if ports > 1 else ''}",
               "µs per connection", "pass", "answer", "connect", 8_000, 500, 1e6, ports=ports)
      for ports in (1, 10_000)],
    *[Workload(f"leases-{tenants}", "scale", f"{tenants * shapes.PORTS_OF_A_TENANT:,} leased ports",
               "µs per connection", "pass", "answer", "connect", 8_000, 500, 1e6, tenants=tenants,
               leases=True)
      for tenants in (1, 10_000)],
    *[Workload(f"tenants-{tenants}", "scale", f"{tenants:,} tenant{'s' if tenants > 1 else ''}",
               "µs per connection", "pass", "answer", "connect", 8_000, 500, 1e6, tenants=tenants)
      for tenants in (1, 100_000)],
    Workload("flood-pass", "flood", "Echoes over passthrough", "µs",
             "pass", "hello-echo", "paced", 10, 1, 1, {"connections": 100, "rate": 1_000}),
    Workload("flood-tls", "flood", "Echoes over terminated TLS", "µs",
             "tls", "echo", "paced", 10, 1, 1, {"connections": 100, "rate": 1_000}),
    Workload("noisy-hellos", "noisy", "Replayed hellos", "µs more", "tls", "neighbour", "noisy",
             8, 1, 1, {"mode": "hellos", "host": "tls-noise.bench.test", "concurrency": 256}),
    Workload("noisy-handshakes", "noisy", "Full handshakes", "µs more", "tls", "neighbour", "noisy",
             8, 1, 1, {"mode": "handshake", "host": "tls-noise.bench.test", "concurrency": 256}),
    Workload("noisy-bulk", "noisy", "Bulk, 16 streams", "µs more", "tls", "neighbour", "noisy",
             8, 1, 1, {"mode": "bulk", "host": "pass-noise.bench.test", "streams": 16}),
    Workload("noisy-slow", "noisy", "Slow hellos", "µs more", "tls", "neighbour", "noisy",
             8, 1, 1, {"mode": "hellos", "host": "tls-noise.bench.test", "concurrency": 6_000,
                       "slow": "yes"}),
]

GROUPS = {"passthrough": "Passthrough: CPU of the proxy", "tls": "TLS: CPU of the proxy",
          "memory": "Idle memory of the proxy",
          "scale": "Large configurations: CPU of the proxy, its start, its memory",
          "flood": "Latency of established connections during a flood of handshakes",
          "noisy": "A tenant beside a noisy one"}
