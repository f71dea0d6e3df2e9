"""The operator API against its own document: STRAIT SCHEMATHESIS FOLDER EXAMPLES.

Starts a router with a registry, and a TCP port that leads to its operators' socket, and lets
schemathesis ask. Prints its summary; exits as it does.
"""

import os
import re
import socket
import subprocess
import sys
import threading
import time

strait, schemathesis, folder, examples = sys.argv[1:5]
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
with open("strait.yaml", "w") as file:
    file.write(
        "workers: 1\naccess: { path: \"off\" }\nadmin: { unix: a }\n"
        "listeners: [{ name: public, address: \"127.0.0.1:0\", protocols: [tls] }]\n"
        "registry: { path: registry.db }\n"
        "ports: { address: \"127.0.0.1\", ranges: [31000-31099] }\n")
router = subprocess.Popen([strait, "serve", "--config", "strait.yaml"], stderr=open("log", "w"))
end = time.monotonic() + 30
ready = [strait, "healthcheck", "--ready", "--admin", "a"]
while subprocess.run(ready, capture_output=True).returncode:
    if time.monotonic() > end:
        sys.exit("the router is not ready")


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def bridge(listener):
    while True:
        outside, _ = listener.accept()
        inside = socket.socket(socket.AF_UNIX)
        inside.connect("a")
        for pair in ((outside, inside), (inside, outside)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=bridge, args=(listener,), daemon=True).start()
base = f"http://127.0.0.1:{listener.getsockname()[1]}"
# What ends or replaces the process is tried elsewhere; so is what has no end, and what looks for as
# long as it is asked to.
done = subprocess.run(
    [schemathesis, "run", f"{base}/v1/openapi.json", "--exclude-path", "/v1/drain",
     "--exclude-path", "/v1/upgrade", "--exclude-path", "/v1/watch", "--exclude-path", "/v1/top",
     "--max-examples", examples, "--request-timeout", "20",
     "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
     "response_schema_conformance,unsupported_method"],
    capture_output=True, text=True)
router.terminate()
code = router.wait()
cases = re.search(r"(\d+) generated", done.stdout)
if done.returncode or code or not cases:
    print(done.stdout[-6000:], done.stderr[-2000:])
print(f"cases {cases.group(1) if cases else 0} schemathesis {done.returncode} router {code}")
