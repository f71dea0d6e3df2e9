"""`strait watch` and `strait top` beside a router: STRAIT FOLDER PORT-OF-A-WEB-SERVICE.

Prints "done", or fails with what is not as it should be.
"""

import atexit
import fcntl
import http.client
import json
import os
import pty
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import time

strait, folder, web = sys.argv[1:4]
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
with open("strait.yaml", "w") as file:
    file.write(
        "workers: 2\naccess: { path: \"off\" }\nadmin: { unix: a }\n"
        f"listeners: [{{ name: public, address: \"127.0.0.1:{port}\", protocols: [tls] }}]\n"
        "registry: { path: registry.db }\n")
END = time.monotonic() + 100


def start():
    router = subprocess.Popen(
        [strait, "serve", "--config", "strait.yaml"], stderr=open("log", "a"))
    atexit.register(router.kill)  # also where something is not as it should be
    ready = [strait, "healthcheck", "--ready", "--admin", "a"]
    while subprocess.run(ready, capture_output=True).returncode:
        assert time.monotonic() < END, "the router is not ready"
    return router


def run(*words):
    return subprocess.run(
        [strait, *words, "--admin", "a"], check=True, capture_output=True, text=True).stdout


def until(process, wanted):
    """Events until one of them is as wanted."""
    events = []
    while True:
        line = process.stdout.readline()
        assert line, f"the watch has ended after {events}"
        events.append(json.loads(line))
        if wanted(events[-1]):
            return events


router = start()
watch = subprocess.Popen(
    [strait, "watch", "--after", "0", "--format", "json", "--admin", "a"],
    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
atexit.register(watch.kill)
run("tenant", "add", "acme", "--domain", "acme.test")
seen = until(watch, lambda event: event["event"] == "live" and event["revision"] >= 2)
assert any(e.get("resource") == "tenant/acme" and e["action"] == "put" for e in seen), seen
assert any(e.get("resource") == "name/acme.test" for e in seen), seen

# A watch does not hold the router up; it comes again by itself, and misses nothing.
router.terminate()
assert router.wait(20) == 0
router = start()
run("tenant", "add", "globex", "--domain", "globex.test")
seen = until(
    watch, lambda event: event["event"] == "live" and event["revision"] >= 3)
assert seen[0]["event"] == "ended", seen
assert [e["resource"] for e in seen if e["event"] == "tenant"] == ["tenant/globex"], seen
watch.send_signal(signal.SIGINT)
said = watch.communicate(timeout=20)[1]
assert watch.returncode == 0 and "away" in said and "again" in said, said
nobody = subprocess.run([strait, "watch", "--admin", "nowhere"], capture_output=True, text=True)
assert nobody.returncode == 4, nobody

# Traffic of one tenant, kept open.
run("service", "add", "globex/www", "--protocol", "web", "--mode", "terminate", "--upstream",
    f"tcp://127.0.0.1:{web}")
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
line = context.wrap_socket(
    socket.create_connection(("127.0.0.1", port)), server_hostname="www.globex.test")
question = b"GET / HTTP/1.1\r\nHost: www.globex.test\r\n\r\n"
line.sendall(question)
assert line.recv(65536).startswith(b"HTTP/1.1 ")
top = json.loads(run("top", "--once", "--interval", "1", "--format", "json"))
first = top["tenants"][0]
assert top["tenants_total"] == 2 and first["tenant"] == "globex", top
assert first["connections"] == 1 and first["connections_total"] == 1, top
assert first["bytes_in_total"] == len(question) and first["bytes_out_total"] > 40, top
table = run("top", "--once", "--interval", "1", "--limit", "1").splitlines()
assert table[1].split() == ["TENANT", "OPEN", "NEW/S", "IN/S", "OUT/S", "REFUSED/S"], table
assert table[2].split()[:2] == ["globex", "1"] and len(table) == 3, table

# On a terminal: another screen, which is left again.
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execv(strait, [strait, "top", "--interval", "1", "--admin", "a"])
drawn = b""
status = None
while status is None:
    assert time.monotonic() < END, drawn
    if select.select([terminal], [], [], 1)[0]:
        try:
            drawn += os.read(terminal, 65536)
        except OSError:
            pass
    if b"globex" in drawn and drawn.count(b"\x1b[?1049h") == 1:
        os.kill(pid, signal.SIGINT)
    ended, code = os.waitpid(pid, os.WNOHANG)
    if ended:
        status = os.waitstatus_to_exitcode(code)
while select.select([terminal], [], [], 0)[0]:
    try:
        drawn += os.read(terminal, 65536)
    except OSError:
        break
assert status == 0, (status, drawn)
assert drawn.startswith(b"\x1b[?1049h"), drawn
assert drawn.endswith(b"\x1b[?1049l"), drawn
line.close()

# Who asks for more than a socket holds and reads nothing does not hold the end up.
asker = http.client.HTTPConnection("router")
asker.sock = socket.socket(socket.AF_UNIX)
asker.sock.connect("a")
for number in range(200):
    names = [f"n{number}.t{other}.test" for other in range(20)]
    document = {"name": f"t{number}", "domains": names}
    asker.request("PUT", f"/v1/tenants/t{number}?wait=false", json.dumps(document))
    answer = asker.getresponse()
    assert answer.status == 201, answer.read()
    answer.read()
stalled = socket.socket(socket.AF_UNIX)
stalled.connect("a")
stalled.sendall(b"GET /v1/watch?after=0 HTTP/1.1\r\nHost: router\r\n\r\n")
assert stalled.recv(100).startswith(b"HTTP/1.1 200 ")
waiting = 0
while waiting < 50_000:
    waiting = struct.unpack("i", fcntl.ioctl(stalled, termios.FIONREAD, b"\0" * 4))[0]
    assert time.monotonic() < END, waiting
router.terminate()
assert router.wait(30) == 0
print("done")
