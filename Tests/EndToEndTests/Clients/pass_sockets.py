"""Starts a program with sockets from descriptor 3 on, as a service manager does.

pass_sockets.py NAME=KIND=PORT[,...] PROGRAM ARGUMENT...     KIND: tcp, udp, idle
"""

import os
import socket
import sys

specs = [spec.split("=") for spec in sys.argv[1].split(",")]
sockets = []
for _, kind, port in specs:
    type = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    one = socket.socket(socket.AF_INET6, type)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("::", int(port)))
    if kind == "tcp":
        one.listen(16)
    sockets.append(one)
# Out of the way of 3, 4, ... first: a dup2 must not close what is still to be moved.
moved = [os.dup(one.fileno()) for one in sockets]
high = [os.dup2(number, 100 + index) for index, number in enumerate(moved)]
for index, number in enumerate(high):
    os.dup2(number, 3 + index, inheritable=True)
os.closerange(3 + len(high), 200)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(high))
os.environ["LISTEN_FDNAMES"] = ":".join(spec[0] for spec in specs)
os.execvp(sys.argv[2], sys.argv[2:])
