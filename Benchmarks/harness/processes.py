"""Pinned child processes, their CPU time and their memory, read from /proc."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time


class Failed(Exception):
    """A check failed, or a process did not do what it must."""


class NotReady(Failed):
    """A proxy is there, but does not do what it is configured for in the time it was given."""


def spawn(command, cores, log, **options):
    """Starts a process that may run on `cores` only; its prose goes to the file `log`."""
    with open(log, "ab") as sink:
        return subprocess.Popen(
            command, stderr=sink, preexec_fn=lambda: os.sched_setaffinity(0, cores), **options)


def stop(process):
    """Ends a process that we started, and waits for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def family(pid):
    """The process and its living descendants."""
    found = [pid]
    for parent in found:
        for task in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
    return found


def cpu_nanoseconds(pid):
    """CPU time, user and system, of all threads of the process and its descendants."""
    total = 0
    for member in family(pid):
        for task in os.listdir(f"/proc/{member}/task"):
            with open(f"/proc/{member}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
    return total


def resident_bytes(pid):
    """Resident memory of the process and its descendants, exact (the counter in status is not)."""
    total = 0
    for member in family(pid):
        with open(f"/proc/{member}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Rss:")) * 1024
    return total


def threads(pid):
    return sum(len(os.listdir(f"/proc/{member}/task")) for member in family(pid))


def softirq_nanoseconds(cores):
    """CPU time of the soft interrupt threads of these cores.

    What a process sends over loopback is received by the kernel at once, on the sender's CPU time,
    but under load this thread of the same core takes some of it over.
    """
    total = 0
    for core in cores:
        with open(f"/proc/{SOFTIRQ_THREADS[core]}/schedstat") as file:
            total += int(file.read().split()[0])
    return total


def busy_and_stolen_nanoseconds():
    """What all cores together did other than idle, and what the hypervisor took away."""
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq) * tick, steal * tick


def wait_for_port(port, process, seconds=30):
    """Returns when something listens on the port of loopback; fails when the process ends first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"ended with {process.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failed(f"did not listen on port {port} within {seconds} s")


class Admin(http.client.HTTPConnection):
    """The operators' UNIX socket."""

    def __init__(self, path):
        super().__init__("admin", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def wait_for_status(path, is_done, process, seconds):
    """Returns when what GET /v1/status on the UNIX socket says is what is waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"ended with {process.returncode} before it was ready")
        admin = Admin(path)
        try:
            admin.request("GET", "/v1/status")
            if is_done(json.loads(admin.getresponse().read())):
                return
        finally:
            admin.close()
        time.sleep(0.05)
    raise NotReady(f"not ready within {seconds} s")


def wait_for_readyz(path, process, seconds=30):
    """Returns when GET /readyz on the UNIX socket says 200."""
    deadline = time.monotonic() + seconds
    last = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"ended with {process.returncode} before it was ready")
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(2)
                admin.connect(path)
                admin.sendall(b"GET /readyz HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
                last = admin.recv(4096).split(b"\r\n")[0].decode("latin-1")
                if " 200 " in last + " ":
                    return
        except OSError as error:
            last = str(error)
        time.sleep(0.05)
    raise Failed(f"/readyz never said 200: {last}")


def wait_for_answer(address, hello, process, seconds):
    """Returns when a passthrough connection with this ClientHello gets the sink's whole answer.

    A proxy may listen long before it knows where its names lead.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"ended with {process.returncode} before it was ready")
        try:
            with socket.create_connection(address, timeout=2) as connection:
                connection.sendall(hello)
                if len(connection.recv(24, socket.MSG_WAITALL)) == 24:
                    return
        except OSError:
            pass
        time.sleep(0.005)
    raise NotReady(f"not ready within {seconds} s")


def run_after_others(pid):
    """Lets a process of the load run only while nothing else wants its core.

    A flood that shares the core with what is timed must not make that wait, nor the kernel's soft
    interrupt thread, which brings the packets.
    """
    os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))


def free_block(count, first=22000, last=32000):
    """The first of `count` ports in a row, below the ephemeral range, that nobody listens on."""
    start = port = first
    while port < last:
        with socket.socket() as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            except OSError:
                start = port + 1
        port += 1
        if port - start == count:
            return start
    raise Failed(f"no {count} free ports in a row between {first} and {last}")


def free_ports(count, first=20000):
    """Ports below the ephemeral range that nobody listens on."""
    found = []
    for port in range(first, 22000):
        with socket.socket() as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise Failed("no free ports")


def _softirq_threads():
    """Core -> process of its ksoftirqd."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/comm") as file:
                    name, _, core = file.read().strip().partition("/")
                    if name == "ksoftirqd":
                        found[int(core)] = int(entry)
            except OSError:
                continue
    return found


SOFTIRQ_THREADS = _softirq_threads()
