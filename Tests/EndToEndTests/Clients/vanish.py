"""Downstreams that vanish without a word, in two networks of their own: vanish.py STRAIT FOLDER.

Run as root of a new user, network and process namespace (`unshare`). Starts a router in FOLDER,
lets two peers in a second network connect, cuts the link between the networks, and waits until
both connections have ended; tells the reasons of their records. One peer is silent by then, to the
other bytes are under way.

    vanish.py hold ADDRESS PORT     a peer: connects, sends a byte, tells when one came, reads on
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time

NEAR, FAR, DOMAIN = "192.0.2.1", "192.0.2.2", "acme.test"


def hold(address, port):
    connection = socket.create_connection((address, int(port)), timeout=20)
    connection.settimeout(None)
    connection.sendall(b"x")
    connection.recv(1)
    print("held", flush=True)
    while connection.recv(65536):
        pass


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def eventually(what, ask):
    for _ in range(600):
        if ask():
            return
        time.sleep(0.05)
    sys.exit(f"not within 30 s: {what}")


def serve(endless):
    """An upstream: one byte back, and then silence or a byte now and then for ever."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection):
        try:
            connection.sendall(connection.recv(1))
            while endless:
                connection.sendall(b"more")
                time.sleep(0.05)
            connection.recv(1)
        except OSError:
            pass  # the router ends it: that is what is waited for

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def configuration(folder, silent, endless):
    def service(name, port):
        return (f"      - {{ name: {name}, protocol: tcp, mode: passthrough, "
                f"upstreams: [{{ address: \"tcp://127.0.0.1:{port}\" }}] }}\n")
    return f"""
region: test
router: vanish
admin: {{ unix: {folder}/admin.sock }}
access: {{ path: {folder}/access.json }}
tcp: {{ keepalive_idle: 1s, user_timeout: 1s }}
listeners:
  - {{ name: silent, address: "{NEAR}:7001", protocols: raw, tenant: acme, service: silent }}
  - {{ name: endless, address: "{NEAR}:7002", protocols: raw, tenant: acme, service: endless }}
tenants:
  - name: acme
    domains: [{DOMAIN}]
    services:
{service("silent", silent)}{service("endless", endless)}"""


def main(strait, folder):
    os.makedirs(folder)
    far = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    mine = os.readlink("/proc/self/ns/net")
    eventually("a second network", lambda: os.readlink(f"/proc/{far.pid}/ns/net") != mine)
    inside = ["nsenter", f"--net=/proc/{far.pid}/ns/net"]
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(far.pid))
    run("ip", "addr", "add", f"{NEAR}/24", "dev", "near")
    run("ip", "link", "set", "near", "up")
    run(*inside, "ip", "addr", "add", f"{FAR}/24", "dev", "far")
    run(*inside, "ip", "link", "set", "far", "up")
    # The neighbour stays known: no answer to ARP that could be missed, only silence.
    link = json.loads(run(*inside, "ip", "-json", "link", "show", "far"))[0]["address"]
    run("ip", "neigh", "replace", FAR, "dev", "near", "lladdr", link, "nud", "permanent")

    with open(f"{folder}/strait.yaml", "w") as file:
        file.write(configuration(folder, serve(False), serve(True)))
    router = subprocess.Popen([strait, "serve", "--config", f"{folder}/strait.yaml"],
                              stderr=open(f"{folder}/router.log", "w"))
    ask = ["curl", "-sS", "--fail", "--unix-socket", f"{folder}/admin.sock", "http://admin/"]
    eventually("the router is ready",
               lambda: subprocess.run([*ask[:-1], ask[-1] + "readyz"], capture_output=True).returncode == 0)
    peers = [subprocess.Popen([*inside, sys.executable, __file__, "hold", NEAR, str(port)],
                              stdout=subprocess.PIPE, text=True) for port in (7001, 7002)]
    for peer in peers:
        assert peer.stdout.readline() == "held\n"
    run(*inside, "ip", "link", "set", "far", "down")

    def records():
        if not os.path.exists(f"{folder}/access.json"):
            return []
        with open(f"{folder}/access.json") as file:
            return [json.loads(line) for line in file]

    eventually("both have ended", lambda: len(records()) == 2)
    for record in sorted(records(), key=lambda record: record["strait.service"]):
        print(record["strait.service"], record["strait.reason"], record["strait.side"])
    metrics = run(*ask[:-1], ask[-1] + "metrics")
    print("open", sum(int(line.split()[-1]) for line in metrics.splitlines()
                      if line.startswith("strait_connections_open{")))
    for peer in peers:
        assert peer.poll() is None, "a peer was told, though the link was cut"
    router.terminate()
    print("router", router.wait(20))


if sys.argv[1] == "hold":
    hold(*sys.argv[2:])
else:
    main(*sys.argv[1:])
