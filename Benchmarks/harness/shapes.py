"""How large a proxy's configuration is: host names, listening ports, tenants of a registry.

Every hundred names lead to an upstream of their own, as the names of a tenant do. All upstreams are
the same port of the sink.
"""

import ssl
from dataclasses import dataclass

DOMAIN = "routes.test"
NAMES_OF_AN_UPSTREAM = 100
PORTS_OF_A_TENANT = 5  # Its ports for ssh, ssh_tunnel, kube, mysql, postgres.


@dataclass(frozen=True)
class Shape:
    routes: int = 0  # Host names besides those of all workloads.
    ports: int = 1  # Listening ports for passthrough, one after the other.
    tenants: int = 0  # Tenants of a registry, with three names each.
    leases: bool = False  # Whether each has five ports of its own, by which it is reached.

    @property
    def name(self):
        return f"{self.routes}-routes-{self.ports}-ports-{self.tenants}-tenants" + (
            "-leases" if self.leases else "")

    @property
    def names(self):
        """How many host names the load picks from; 0: it asks for one alone.

        Of as many names as ports it picks the same: a tenant's name with its port.
        """
        return self.routes or self.tenants

    @property
    def groups(self):
        """Names of an upstream -> the host names that lead to it."""
        found = {}
        for first in range(0, self.routes, NAMES_OF_AN_UPSTREAM):
            last = min(first + NAMES_OF_AN_UPSTREAM, self.routes)
            found[f"group{first // NAMES_OF_AN_UPSTREAM}"] = [
                host_name(number) for number in range(first, last)]
        return found


def host_name(number):
    """As the load generator writes it: `--name h000000.DOMAIN --names N`."""
    return f"h{number:06}.{DOMAIN}"


def client_hello(name):
    """One ClientHello record with this host name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sent = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()
