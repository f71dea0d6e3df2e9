"""Names and sources of upstreams, in a network of its own: names.py STRAIT FOLDER.

Run as root of a new user, network, mount and process namespace (`unshare`). Is the only DNS server
there, and the upstreams; tells what connections through the router come to while the name changes,
is not found, and is found again, and while the ports of sources run out.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

ADDRESSES, FAILS, FOLDER = {1: [], 28: []}, [False], sys.argv[2]


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def eventually(what, ask):
    for _ in range(600):
        if ask():
            return
        time.sleep(0.05)
    sys.exit(f"not within 30 s: {what}")


def resolve():
    """Answers every question with what ADDRESSES has of its type, for a second."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        question, peer = server.recvfrom(1500)
        end = question.index(b"\0", 12) + 5
        kind, = struct.unpack(">H", question[end - 4:end - 2])
        found = [] if FAILS[0] else ADDRESSES.get(kind, [])
        answer = question[:2] + struct.pack(
            ">HHHHH", 0x8182 if FAILS[0] else 0x8180, 1, len(found), 0, 0) + question[12:end]
        for address in found:
            data = socket.inet_pton(socket.AF_INET if kind == 1 else socket.AF_INET6, address)
            answer += struct.pack(">HHHIH", 0xC00C, kind, 1, 1, len(data)) + data
        server.sendto(answer, peer)


def upstream(address):
    """Says its address and who came, then sends back what it gets."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 7000), family=family, backlog=128)

    def talk(connection, peer):
        try:
            connection.sendall(f"{address} {peer[0]}\n".encode())
            while chunk := connection.recv(4096):
                connection.sendall(chunk)
        except OSError:
            pass  # the router ends it
        connection.close()

    def accept():
        while True:
            threading.Thread(target=talk, args=listener.accept(), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def dial():
    connection = socket.socket(socket.AF_UNIX)  # it takes no port
    connection.settimeout(10)
    connection.connect(f"{FOLDER}/raw.sock")
    line = connection.makefile().readline().split()
    return connection, line


def seen(count=12):
    """The upstreams that so many connections come to."""
    found = set()
    for _ in range(count):
        connection, line = dial()
        connection.close()
        found.add(line[0] if line else "nobody")
    return found


def configuration(folder, more=""):
    return f"""
region: test
router: names
admin: {{ unix: {folder}/admin.sock }}
access: {{ path: off }}
listeners:
  - {{ name: raw, address: "unix:{folder}/raw.sock", protocols: raw, tenant: acme, service: db }}
tenants:
  - name: acme
    domains: [acme.test]
    services:
      - {{ name: db, protocol: tcp, upstreams: [{{ address: "tcp://db.internal:7000" }}] }}
{more}"""


def write(folder, more=""):
    with open(f"{folder}/next.yaml", "w") as file:
        file.write(configuration(folder, more))
    os.rename(f"{folder}/next.yaml", f"{folder}/strait.yaml")


def metric(folder, name):
    text = run("curl", "-sS", "--fail", "--unix-socket", f"{folder}/admin.sock",
               "http://admin/metrics")
    return sum(float(line.split()[-1]) for line in text.splitlines()
               if line.startswith((name + "{", name + " ")))


def main(strait, folder):
    os.makedirs(folder)
    run("ip", "link", "set", "lo", "up")
    with open(f"{folder}/resolv.conf", "w") as file:
        file.write("nameserver 127.0.0.1\n")
    run("mount", "--bind", f"{folder}/resolv.conf", "/etc/resolv.conf")
    for address in ["127.0.0.2", "127.0.0.3", "::1"]:
        upstream(address)
    threading.Thread(target=resolve, daemon=True).start()
    ADDRESSES[1] = ["127.0.0.2"]
    write(folder)
    log = f"{folder}/router.log"
    router = subprocess.Popen([strait, "serve", "--config", f"{folder}/strait.yaml"],
                              stderr=open(log, "w"))

    def says(words):
        with open(log) as file:
            return words in file.read()

    eventually("the router is ready", lambda: subprocess.run(
        ["curl", "-sS", "--fail", "--unix-socket", f"{folder}/admin.sock", "http://admin/readyz"],
        capture_output=True).returncode == 0)
    print("first", *sorted(seen()))
    held, _ = dial()

    ADDRESSES[1] = ["127.0.0.3"]
    eventually("the name leads elsewhere", lambda: seen(1) == {"127.0.0.3"})
    held.sendall(b"still here")
    print("held", held.recv(100).decode())

    FAILS[0] = True
    eventually("the name is not found", lambda: says("is not found; 127.0.0.3 stay"))
    print("lost", *sorted(seen()))

    FAILS[0], ADDRESSES[28] = False, ["::1"]
    eventually("both families", lambda: seen(8) == {"127.0.0.3", "::1"})
    print("both", *sorted(seen(40)))

    ADDRESSES[28] = []
    eventually("one address", lambda: seen(12) == {"127.0.0.3"})
    # Two ports a source, three sources, one of which is not of this machine.
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
        file.write("40000 40001")
    write(folder, "source_addresses: [127.0.0.8, 127.0.0.9, 192.0.2.7]\n")
    router.send_signal(signal.SIGHUP)
    eventually("the sources are known",
               lambda: metric(folder, "strait_upstream_source_ports_capacity") == 8)
    dialled = [dial() for _ in range(5)]
    for _, line in dialled:
        print("from", *line[1:])
    print("used", int(metric(folder, "strait_upstream_source_ports_used")))
    print("exhausted", metric(folder, "strait_upstream_source_exhausted_total") > 0)
    held.close()
    router.terminate()
    for connection, _ in dialled:
        connection.close()
    print("router", router.wait(20))


main(*sys.argv[1:])
