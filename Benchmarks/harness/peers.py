"""The proxies that are compared: how each is configured, started and found ready."""

import glob
import json
import os
import shutil
import sqlite3
import subprocess
import time

from . import processes, shapes

TEMPLATES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers")

# A proxy that has not read a large configuration by then is left out.
READY_SECONDS = 120

# In Strait the name of another tenant than all the others.
NEIGHBOUR = "tls-echo.neighbour.test"

# Host name -> the sink's service behind it. The prefix says what the proxy does with TLS.
ROUTES = {
    "pass-answer.bench.test": "answer",
    "pass-echo.bench.test": "hello-echo",
    "pass-source.bench.test": "hello-source",
    "tls-echo.bench.test": "echo",
    "tls-source.bench.test": "source",
    "mutual-echo.bench.test": "echo",
    "pass-noise.bench.test": "noise-source",
    "tls-noise.bench.test": "noise-echo",
    NEIGHBOUR: "echo",
}


class Peer:
    """One proxy in one setting. `kinds` are the host name prefixes that it is measured with."""

    kinds = ("pass", "tls", "mutual")
    modes = ("connect", "pingpong", "bulk", "handshake", "idle", "paced", "noisy")
    # How many host names and listening ports it is asked to do with; beyond, it would take minutes.
    routes_max = ports_max = 1_000_000
    tenants_max = 0  # Of a registry.
    address = "127.0.0.1"

    def __init__(self, name, setting, world, shape=None):
        self.name = name
        self.setting = setting
        self.world = world
        self.shape = shape or shapes.Shape()
        self.is_sized = shape is not None
        self.directory = os.path.join(world.directory, name)
        os.makedirs(self.directory)
        self.ports = dict(zip(self.kinds_of_port(), world.take_ports(3)))
        if self.shape.ports > 1:
            self.ports["pass"] = world.port_block(self.shape.ports)
        self.process = None
        self.start_seconds = None

    @staticmethod
    def kinds_of_port():
        return ("pass", "tls", "mutual")

    def port(self, kind):
        return self.ports[kind]

    def passthrough_ports(self):
        return range(self.port("pass"), self.port("pass") + self.shape.ports)

    def port_range(self):
        """As HAProxy and nginx write many ports."""
        ports = self.passthrough_ports()
        return str(ports[0]) if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"

    def start(self, cores):
        command = self.command()
        log = os.path.join(self.directory, "log")
        begin = time.monotonic()
        self.process = processes.spawn(
            command, cores, log, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            self.wait_until_ready()
            self.start_seconds = time.monotonic() - begin
        except processes.Failed as failure:
            self.stop()
            raise type(failure)(f"{self.name}: {failure}\n{self.log()}".rstrip()) from None
        time.sleep(0.2)

    def wait_until_ready(self):
        if self.is_sized:
            return self.wait_until_routing()
        for kind in self.kinds:
            processes.wait_for_port(self.port(kind), self.process)

    def wait_until_routing(self):
        """Until the last name leads from the last port to the sink and back."""
        names = self.shape.names
        name = shapes.host_name(names - 1) if names else "pass-answer.bench.test"
        processes.wait_for_answer(
            (self.address, self.passthrough_ports()[-1]), shapes.client_hello(name), self.process,
            READY_SECONDS)

    def log(self):
        """The beginning of what it said: a crash tells its reason first."""
        with open(os.path.join(self.directory, "log"), errors="replace") as file:
            return file.read(4000)

    def stop(self):
        if self.process:
            processes.stop(self.process)
            self.process = None

    def write(self, template, values):
        """Fills a template of Benchmarks/peers in and returns the path of the result."""
        certificates = self.world.certificates
        values = {
            "ADDRESS": "127.0.0.1", "DIRECTORY": self.directory, "PASSTHROUGH": self.port_range(),
            "TLS": self.port("tls"), "MUTUAL": self.port("mutual"), "CHAIN": certificates.chain,
            "KEY": certificates.key, "CERTIFICATE": certificates.combined,
            "CLIENT_CA": certificates.client_ca, **values}
        with open(os.path.join(TEMPLATES, template)) as file:
            text = file.read()
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        path = os.path.join(self.directory, template)
        with open(path, "w") as file:
            file.write(text)
        return path

    def upstreams(self):
        """Name and port of each; those of the shape's names are the sink's same port."""
        answer = self.world.sink_ports["answer"]
        return sorted(self.world.sink_ports.items()) + [
            (group, answer) for group in self.shape.groups]

    def routes(self):
        """Host name and upstream."""
        return list(ROUTES.items()) + [
            (host, group) for group, hosts in self.shape.groups.items() for host in hosts]


class HAProxy(Peer):
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"

    def command(self):
        routes = os.path.join(self.directory, "routes.map")
        with open(routes, "w") as file:
            file.writelines(f"{host} {service}\n" for host, service in self.routes())
        backends = [
            f"backend {service}\n    server one 127.0.0.1:{port}\n"
            for service, port in self.upstreams()]
        splice = "    option splice-request\n    option splice-response\n"
        path = self.write("haproxy.cfg", {
            "MAP": routes, "BACKENDS": "\n".join(backends),
            "SPLICE": splice if self.setting == "splice" else "",
            # Two descriptors for each connection, one for each port, of 20,000.
            "CONNECTIONS": 9500 - self.shape.ports // 2,
            "TICKETS": "no-tls-tickets" if self.setting == "no-tickets" else ""})
        return [self.program, "-db", "-f", path]

    def version(self):
        return first_line([self.program, "-v"])


class Nginx(Peer):
    program = shutil.which("nginx") or "/usr/sbin/nginx"

    def command(self):
        upstreams = [
            f"    upstream {service} {{ server 127.0.0.1:{port} max_fails=0; }}"
            for service, port in self.upstreams()]
        path = self.write("nginx.conf", {
            "MAP": "\n".join(f"        {host} {service};" for host, service in self.routes()),
            "MAP_SLOTS": max(2048, 4 * len(self.routes())),
            "UPSTREAMS": "\n".join(upstreams), "BUFFER": "64k"})
        return [self.program, "-c", path, "-p", self.directory]

    def version(self):
        return first_line([self.program, "-v"])


class Envoy(Peer):
    def command(self):
        path = self.write("envoy.yaml", envoy_values(self))
        return [self.world.programs["envoy"], "-c", path, "--concurrency", "1", "--disable-hot-restart",
                "-l", "error"]

    def version(self):
        return "envoy " + first_line([self.world.programs["envoy"], "--version"]).split("version: ")[-1]


class Strait(Peer):
    """One listener serves all kinds, as an operator would have it."""

    tenants_max = 1_000_000

    def port(self, kind):
        return self.ports["pass"]

    def command(self):
        services = [strait_service(host, self.world.sink_ports[name])
                    for host, name in ROUTES.items() if host != NEIGHBOUR]
        path = self.write("strait.yaml", {
            "WORKERS": self.setting or 1, "SERVICES": "\n".join(services),
            "LISTENERS": "\n".join(
                f"  - {{ name: public-{port}, address: \"127.0.0.1:{port}\", protocols: [tls] }}"
                for port in self.passthrough_ports()),
            "TENANTS": "\n".join(self.tenants())})
        return [self.world.programs["strait"], "serve", "--config", path]

    def tenants(self):
        """The one beside the noise; and one for each group of names, as a service that has all."""
        chain, key = self.world.certificates.chain, self.world.certificates.key
        yield (f"  - name: neighbour\n    domains: [{NEIGHBOUR.split('.', 1)[1]}]\n"
               f"    certificates: [{{ chain: {chain}, key: {key} }}]\n    services:\n"
               + strait_service(NEIGHBOUR, self.world.sink_ports["echo"]))
        port = self.world.sink_ports["answer"]
        for group, hosts in self.shape.groups.items():
            yield (f"  - name: {group}\n    services:\n      - {{ name: web, protocol: tcp,"
                   f" mode: passthrough, upstreams: [{{ address: \"tcp://127.0.0.1:{port}\" }}],"
                   f" hosts: [{', '.join(hosts)}] }}")

    def wait_until_ready(self):
        if self.is_sized:
            return self.wait_until_routing()
        processes.wait_for_readyz(os.path.join(self.directory, "strait.sock"), self.process)
        processes.wait_for_port(self.port("pass"), self.process)

    def version(self):
        return first_line([self.world.programs["strait"], "--version"])


class StraitWithRegistry(Strait):
    """Tenants of a registry, found by name, or by ports of their own, of which the load dials the last."""

    first_port = 10_000

    def __init__(self, name, setting, world, shape=None):
        super().__init__(name, setting, world, shape)
        self.registry = None
        if shape.leases:
            # Whatever listens elsewhere, also with another shape, takes no port here.
            self.address = "127.0.0.2" if shape.tenants == 1 else "127.0.0.3"
            self.ports["pass"] = self.first_port + shapes.PORTS_OF_A_TENANT - 1

    @property
    def leased(self):
        return self.shape.tenants * shapes.PORTS_OF_A_TENANT if self.shape.leases else 0

    def passthrough_ports(self):
        port = self.port("pass")
        return range(port, port + max(self.leased, 1), shapes.PORTS_OF_A_TENANT)

    def command(self):
        path = os.path.join(self.directory, "strait.yaml")
        port = self.first_port - 1 if self.leased else self.port("pass")
        with open(path, "w") as file:
            file.write(
                "workers: 1\naccess: { path: \"off\" }\n"
                f"admin: {{ unix: {self.directory}/strait.sock }}\n"
                f"registry: {{ path: {self.directory}/registry.db }}\n"
                f"listeners: [{{ name: public, address: \"{self.address}:{port}\","
                " protocols: [tls] }]\n")
            if self.leased:
                # Beside those that are leased, two for the sockets that serve them all.
                last = self.first_port + self.leased + 1
                file.write(f"ports: {{ address: {self.address}, ranges: [{self.first_port}-{last}] }}\n")
        return [self.world.programs["strait"], "serve", "--config", path]

    def start(self, cores):
        """Before what is timed, a start makes the registry, and another one leases the ports and
        issues certificates, which takes some minutes for 100,000 tenants."""
        if not self.registry:
            self.registry = os.path.join(self.directory, "registry.db")
            self.start_once(lambda status: True)
            self.fill()
            self.start_once(self.is_settled)
        super().start(cores)

    def is_settled(self, status):
        if self.leased and status["ports"]["waiting"]:
            raise processes.NotReady(
                f"something on this machine has a port from {self.first_port} on; beneath "
                "\"unshare --net\", with lo up, nothing has")
        if self.leased and status["ports"]["leased"] < self.leased:
            return False
        with open(os.path.join(self.directory, "log")) as file:
            return f"{self.shape.tenants} certificates issued" in file.read()

    def start_once(self, is_done):
        process = processes.spawn(
            self.command(), self.world.proxy_cores, os.path.join(self.directory, "log"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            socket = os.path.join(self.directory, "strait.sock")
            processes.wait_for_readyz(socket, process)
            processes.wait_for_status(socket, is_done, process, 600)
        finally:
            processes.stop(process)

    def fill(self):
        """Rows as the router writes them: requests would take minutes."""
        answer, rows = self.world.sink_ports["answer"], []
        for number in range(self.shape.tenants):
            tenant = f"t{number:06}"
            names = [shapes.host_name(number), f"www-{tenant}.example.net"]
            document = {"name": tenant, "domains": [f"{tenant}.example.com"], "services": [{
                "name": "one", "protocol": "postgres" if self.shape.leases else "web",
                "hosts": names, "upstreams": [{"address": f"tcp://127.0.0.1:{answer}"}]}]}
            rows.append((f"tenant/{tenant}/document", json.dumps(document).encode()))
            rows += [(f"name/{name}", tenant.encode()) for name in document["domains"] + names]
        database = sqlite3.connect(self.registry)
        with database:
            database.executemany("INSERT INTO row VALUES (?, ?, 1, 1)", rows)
            database.execute("UPDATE counter SET revision = revision + 1")
        database.close()
        # The copy is of what was there before.
        for file in glob.glob(os.path.join(self.directory, "registry.db.snapshot*")):
            os.remove(file)


class Traefik(Peer):
    # It is not ready with 100,000 names after a minute. With 10,000 entry points it takes a minute
    # and more, and some connections got other bytes than the upstream's.
    routes_max, ports_max = 10_000, 1

    def command(self):
        ports = list(self.passthrough_ports())
        passthrough = [f"pass{port}" for port in ports]
        path = self.write("traefik.yaml", {"PASSTHROUGH_POINTS": "\n".join(
            f"  pass{port}: {{ address: \"127.0.0.1:{port}\", <<: *point }}" for port in ports)})
        self.write("traefik-routes.yaml", {
            "ROUTERS": "\n".join(self.routers(", ".join(passthrough))),
            "SERVICES": "\n".join(
                f"    {service}: {{ loadBalancer: {{ servers: [{{ address: \"127.0.0.1:{port}\" }}]"
                " } }" for service, port in self.upstreams())})
        return [self.world.programs["traefik"], f"--configFile={path}"]

    def routers(self, passthrough):
        for host, service in ROUTES.items():
            kind = host.split("-")[0]
            points = passthrough if kind == "pass" else kind
            tls = {"pass": "passthrough: true", "tls": "options: plain",
                   "mutual": "options: mutual"}[kind]
            yield (f"    {host.split('.')[0]}: {{ entryPoints: [{points}], service: {service},"
                   f" rule: \"HostSNI(`{host}`)\", tls: {{ {tls} }} }}")
        for group, hosts in self.shape.groups.items():
            rule = " || ".join(f"HostSNI(`{host}`)" for host in hosts)
            yield (f"    {group}: {{ entryPoints: [{passthrough}], service: {group},"
                   f" rule: \"{rule}\", tls: {{ passthrough: true }} }}")

    def wait_until_ready(self):
        """It listens before it knows its routes."""
        self.wait_until_routing()
        super().wait_until_ready()

    def version(self):
        text = subprocess.run([self.world.programs["traefik"], "version"], capture_output=True,
                              text=True).stdout
        return "traefik " + " ".join(line.split(":", 1)[1].strip() for line in text.splitlines()
                                     if line.startswith(("Version", "Go version")))


class SSLH(Peer):
    """The variant with one process and select(); it ends no TLS."""

    # Of 16 connections that come at once, version 1.20 loses some; select() knows 1,024 descriptors.
    modes = ("pingpong", "bulk")
    routes_max = ports_max = 0
    program = shutil.which("sslh-select") or "/usr/sbin/sslh-select"

    def command(self):
        ports = dict(self.upstreams())
        names = {}
        for host, service in self.routes():
            if not host.startswith(("tls", "mutual")):
                names.setdefault(service, []).append(host)
        listens = [f"  {{ host: \"127.0.0.1\"; port: \"{port}\"; }}"
                   for port in self.passthrough_ports()]
        protocols = [
            f"  {{ name: \"tls\"; host: \"127.0.0.1\"; port: \"{ports[service]}\"; log_level: 0;"
            f" sni_hostnames: [ {', '.join(json.dumps(host) for host in hosts)} ]; }}"
            for service, hosts in names.items()]
        path = self.write("sslh.cfg", {
            "LISTENS": ",\n".join(listens), "PROTOCOLS": ",\n".join(protocols)})
        return [self.program, f"-F{path}"]

    def version(self):
        return first_line([self.program, "-V"])


class Floor(Peer):
    """A bare loop in C: what this machine and this libssl cost at the least."""

    # It has no back-pressure, so it cannot take part in bulk.
    modes = ("connect", "pingpong", "handshake", "idle")
    routes_max = ports_max = 0
    compiler = shutil.which("cc") or shutil.which("clang")

    def command(self):
        program = os.path.join(self.directory, "floor")
        source = os.path.join(os.path.dirname(TEMPLATES), "Floor", "floor.c")
        result = subprocess.run([self.compiler, "-O2", "-o", program, source, "-lssl", "-lcrypto"],
                                capture_output=True, text=True)
        if result.returncode:
            raise processes.Failed(result.stderr)
        routes = [f"{host}={self.world.sink_ports[name]}" for host, name in ROUTES.items()]
        certificates = self.world.certificates
        return [program, str(self.port("pass")), str(self.port("tls")),
                certificates.chain, certificates.key, *routes]

    def version(self):
        return "Floor/floor.c"


def strait_service(host, port):
    name = host.split(".")[0]
    mode = "passthrough" if name.startswith("pass") else "terminate"
    certificate = ", client_certificate: required" if name.startswith("mutual") else ""
    return (f"      - {{ name: {name}, protocol: tcp, mode: {mode}{certificate},"
            f" upstreams: [{{ address: \"tcp://127.0.0.1:{port}\" }}] }}")


def envoy_values(peer):
    clusters = [
        f"  - {{ name: {service}, connect_timeout: 5s, type: STATIC,\n"
        "      circuit_breakers: { thresholds: [{ max_connections: 100000,"
        " max_pending_requests: 100000 }] },\n"
        f"      load_assignment: {{ cluster_name: {service}, endpoints: [{{ lb_endpoints: [{{"
        " endpoint: { address: { socket_address: { address: 127.0.0.1,"
        f" port_value: {port} }} }} }} }}] }}] }} }}"
        for service, port in peer.upstreams()]
    return {
        "CLUSTERS": "\n".join(clusters),
        "PASSTHROUGH_LISTENERS": "\n".join(envoy_listener(peer, port)
                                           for port in peer.passthrough_ports()),
        "TLS_CHAINS": envoy_chains("tls", envoy_transport(peer.world.certificates, False)),
        "MUTUAL_CHAINS": envoy_chains("mutual", envoy_transport(peer.world.certificates, True))}


def envoy_transport(certificates, mutual):
    authority = (f", validation_context: {{ trusted_ca: {{ filename: {certificates.client_ca} }} }}"
                 if mutual else "")
    return (
        "{ name: tls, typed_config: { \"@type\": type.googleapis.com/envoy.extensions."
        "transport_sockets.tls.v3.DownstreamTlsContext,"
        f" require_client_certificate: {str(mutual).lower()}, common_tls_context: {{"
        " tls_params: { tls_maximum_protocol_version: TLSv1_3, ecdh_curves: [X25519, P-256] },"
        f" tls_certificates: [{{ certificate_chain: {{ filename: {certificates.chain} }},"
        f" private_key: {{ filename: {certificates.key} }} }}]{authority} }} }} }}")


def envoy_listener(peer, port):
    return (f"  - name: passthrough-{port}\n    address: {{ socket_address: {{ address: 127.0.0.1,"
            f" port_value: {port} }} }}\n    listener_filters: *inspector\n    filter_chains:\n"
            + envoy_chains("pass", None, peer.shape.groups))


def envoy_chains(kind, transport, groups=None):
    lines = []
    wanted = [([host], service) for host, service in ROUTES.items() if host.startswith(kind + "-")]
    for hosts, service in wanted + [(hosts, group) for group, hosts in (groups or {}).items()]:
        lines.append(f"    - filter_chain_match: {{ server_names: [{', '.join(hosts)}] }}")
        if transport:
            lines.append(f"      transport_socket: {transport}")
        lines.append(
            "      filters: [{ name: tcp, typed_config: { \"@type\": type.googleapis.com/envoy."
            "extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: tcp,"
            f" cluster: {service} }} }}]")
    return "\n".join(lines)


def first_line(command):
    result = subprocess.run(command, capture_output=True, text=True)
    return (result.stdout + result.stderr).strip().split("\n")[0]


# Name -> (class, setting, kinds). The plain names are what --peers takes; a name brings its variants.
CATALOGUE = {
    "strait": (Strait, None, ("pass", "tls", "mutual")),
    "haproxy": (HAProxy, None, ("pass", "tls", "mutual")),
    "haproxy, splice": (HAProxy, "splice", ("pass",)),
    "haproxy, no tickets": (HAProxy, "no-tickets", ("mutual",)),
    "nginx": (Nginx, None, ("pass", "tls", "mutual")),
    "envoy": (Envoy, None, ("pass", "tls", "mutual")),
    "traefik": (Traefik, None, ("pass", "tls", "mutual")),
    "sslh": (SSLH, None, ("pass",)),
    "floor": (Floor, None, ("pass", "tls")),
}


def make(name, world, shape=None):
    kind, setting, kinds = CATALOGUE[name]
    if shape and shape.tenants:
        kind = StraitWithRegistry
    folder = name.replace(", ", "-").replace(" ", "-") + (f"-{shape.name}" if shape else "")
    peer = kind(folder, setting, world, shape)
    peer.name, peer.kinds = name, kinds
    return peer


INSTANCES = {}


def instance(name, world, shape):
    """The proxy with a configuration of this shape; the same one when asked for again."""
    if (name, shape) not in INSTANCES:
        INSTANCES[name, shape] = make(name, world, shape)
    return INSTANCES[name, shape]
