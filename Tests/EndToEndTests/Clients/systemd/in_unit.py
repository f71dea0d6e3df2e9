"""Runs a program inside the sandbox of a unit whose main process is launch.py, as if it ran here: with
this process' standard descriptors, variables, folder and limit of descriptors. Its number goes to the
file NUMBER; this process ends as it does.

    in_unit.py LAUNCHER NUMBER PROGRAM ARGUMENT..."""

import json
import os
import resource
import signal
import socket
import sys


def main(launcher, number, arguments):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(launcher)
    request = {"arguments": arguments, "environment": dict(os.environ), "directory": os.getcwd()}
    socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
    pid = json.loads(connection.recv(4096))["pid"]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
    with open(number, "w") as file:
        file.write(f"{pid}\n")
    connection.send(b"g")
    answer = connection.recv(4096)
    if not answer:
        sys.exit("the unit has ended")
    status = json.loads(answer)["status"]
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
