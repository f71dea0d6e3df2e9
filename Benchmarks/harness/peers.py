"""The proxies that are compared: how each is configured, started and found ready."""

import os
import shutil
import subprocess
import time

from . import processes

TEMPLATES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers")

# Host name -> the sink's service behind it. The prefix says what the proxy does with TLS.
ROUTES = {
    "pass-answer.bench.test": "answer",
    "pass-echo.bench.test": "hello-echo",
    "pass-source.bench.test": "hello-source",
    "tls-echo.bench.test": "echo",
    "tls-source.bench.test": "source",
    "mutual-echo.bench.test": "echo",
}


class Peer:
    """One proxy in one setting. `kinds` are the host name prefixes that it is measured with."""

    kinds = ("pass", "tls", "mutual")
    modes = ("connect", "pingpong", "bulk", "handshake", "idle")

    def __init__(self, name, setting, world):
        self.name = name
        self.setting = setting
        self.world = world
        self.directory = os.path.join(world.directory, name)
        os.makedirs(self.directory)
        self.ports = dict(zip(self.kinds_of_port(), world.take_ports(3)))
        self.process = None

    @staticmethod
    def kinds_of_port():
        return ("pass", "tls", "mutual")

    def port(self, kind):
        return self.ports[kind]

    def start(self, cores):
        command = self.command()
        log = os.path.join(self.directory, "log")
        self.process = processes.spawn(
            command, cores, log, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            self.wait_until_ready()
        except processes.Failed as failure:
            self.stop()
            raise processes.Failed(f"{self.name}: {failure}\n{self.log()}") from None
        time.sleep(0.2)

    def wait_until_ready(self):
        for kind in self.kinds:
            processes.wait_for_port(self.port(kind), self.process)

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
            "ADDRESS": "127.0.0.1", "DIRECTORY": self.directory, "PASSTHROUGH": self.port("pass"),
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
        return sorted(self.world.sink_ports.items())


class HAProxy(Peer):
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"

    def command(self):
        routes = os.path.join(self.directory, "routes.map")
        with open(routes, "w") as file:
            file.writelines(f"{host} {service}\n" for host, service in ROUTES.items())
        backends = [
            f"backend {service}\n    server one 127.0.0.1:{port}\n"
            for service, port in self.upstreams()]
        splice = "    option splice-request\n    option splice-response\n"
        path = self.write("haproxy.cfg", {
            "MAP": routes, "BACKENDS": "\n".join(backends),
            "SPLICE": splice if self.setting == "splice" else "",
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
            "MAP": "\n".join(f"        {host} {service};" for host, service in ROUTES.items()),
            "UPSTREAMS": "\n".join(upstreams), "BUFFER": "64k"})
        return [self.program, "-c", path, "-p", self.directory]

    def version(self):
        return first_line([self.program, "-v"])


class Envoy(Peer):
    def command(self):
        path = self.write("envoy.yaml", envoy_values(self))
        return [self.world.envoy, "-c", path, "--concurrency", "1", "--disable-hot-restart",
                "-l", "error"]

    def version(self):
        return "envoy " + first_line([self.world.envoy, "--version"]).split("version: ")[-1]


class Strait(Peer):
    """One listener serves all kinds, as an operator would have it."""

    def port(self, kind):
        return self.ports["pass"]

    def command(self):
        services = [strait_service(host, self.world.sink_ports[name])
                    for host, name in ROUTES.items()]
        path = self.write("strait.yaml", {
            "WORKERS": self.setting or 1, "SERVICES": "\n".join(services)})
        return [self.world.strait, "serve", "--config", path]

    def wait_until_ready(self):
        processes.wait_for_readyz(os.path.join(self.directory, "strait.sock"), self.process)
        processes.wait_for_port(self.port("pass"), self.process)

    def version(self):
        return first_line([self.world.strait, "--version"])


class Floor(Peer):
    """A bare loop in C: what this machine and this libssl cost at the least."""

    # It has no back-pressure, so it cannot take part in bulk.
    modes = ("connect", "pingpong", "handshake", "idle")
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
        "PASSTHROUGH_CHAINS": envoy_chains("pass", None),
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


def envoy_chains(kind, transport):
    lines = []
    for host, service in ROUTES.items():
        if not host.startswith(kind + "-"):
            continue
        lines.append(f"    - filter_chain_match: {{ server_names: [{host}] }}")
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
    "floor": (Floor, None, ("pass", "tls")),
}


def make(name, world):
    kind, setting, kinds = CATALOGUE[name]
    peer = kind(name.replace(", ", "-").replace(" ", "-"), setting, world)
    peer.name, peer.kinds = name, kinds
    return peer
