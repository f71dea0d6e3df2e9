"""Holds as much as it can: hold.py ADDRESS PORT HOST NUMBER SOCKET OPERATORS.

Opens NUMBER connections that send a ClientHello for HOST, and OPERATORS silent ones to the
operators' SOCKET; tells how many of the first are still open, and keeps all until it is ended.
"""

import signal
import socket
import ssl
import sys

address, port, host, number, path, operators = sys.argv[1:7]

incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
try:
    ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=host).do_handshake()
except ssl.SSLWantReadError:
    hello = outgoing.read()

held = []
for _ in range(int(number)):
    connection = socket.create_connection((address, int(port)), timeout=10)
    try:
        connection.sendall(hello)
        if connection.recv(1):  # the upstream's ServerHello: relayed by now
            held.append(connection)
    except ConnectionError:
        pass
silent = []
for _ in range(int(operators)):
    line = socket.socket(socket.AF_UNIX)
    line.connect(path)
    silent.append(line)

print(f"held {len(held)}", flush=True)
signal.pause()
