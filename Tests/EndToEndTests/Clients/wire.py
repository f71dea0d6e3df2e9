"""Odd behaviour on the wire, each told as one line: wire.py WHAT ADDRESS PORT CA HOST [NUMBER].

    truncate     sends, and ends TCP without ending TLS
    reset        sends a request and resets the connection
    garbage      sends random bytes until it is cut off
    slow         sends a hello one byte at a time, and then the rest of a request
    stopped      asks for the large file, reads one byte, tells, and reads no more
    silent       sends nothing until it is cut off
    idle         opens NUMBER connections, tells, and keeps them until its input ends
"""

import os
import resource
import signal
import socket
import ssl
import struct
import sys

what, address, port, authority, host = sys.argv[1:6]
_, files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
number = int(sys.argv[6]) if len(sys.argv) > 6 else 0


def plain():
    connection = socket.create_connection((address, int(port)), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def context():
    it = ssl.create_default_context(cafile=authority)
    it.set_alpn_protocols(["http/1.1"])
    return it


def request(path="/blob"):
    return f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()


def read_all(connection):
    count = 0
    while chunk := connection.recv(65536):
        count += len(chunk)
    return count


def truncate():
    """Ends the TCP direction within TLS, without close_notify: whoever reads must not call it whole."""
    it = ssl.create_default_context(cafile=authority)
    it.set_alpn_protocols(["strait-tcp"])
    connection = it.wrap_socket(plain(), server_hostname=host)
    connection.sendall(b"half of a mess")
    socket.socket.shutdown(connection, socket.SHUT_WR)  # not SSLSocket.shutdown: TLS goes on
    try:
        answer = connection.recv(65536)
    except (ssl.SSLError, ConnectionError):
        answer = b""
    print("answered" if answer else "no answer")


def reset():
    connection = context().wrap_socket(plain(), server_hostname=host)
    connection.sendall(request())
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    print("reset")


def until_cut(connection, chunks):
    sent = 0
    try:
        for chunk in chunks:
            connection.sendall(chunk)
            sent += len(chunk)
        while connection.recv(65536):
            pass
        return "closed", sent
    except (ConnectionError, BrokenPipeError):
        return "cut", sent


def garbage():
    seed = int.from_bytes(os.urandom(4))
    print(*until_cut(plain(), (os.urandom(4096) for _ in range(max(number, 1)))), "seed", seed)


def slow():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_hostname=host)
    connection = plain()
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            for byte in outgoing.read():
                connection.sendall(bytes([byte]))
            incoming.write(connection.recv(65536))
    for byte in outgoing.read():
        connection.sendall(bytes([byte]))
    tls.write(request("/"))
    for byte in outgoing.read():
        connection.sendall(bytes([byte]))
    while True:
        try:
            print(tls.read(15).decode())
            return
        except ssl.SSLWantReadError:
            incoming.write(connection.recv(65536))


def stopped():
    connection = plain()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection = context().wrap_socket(connection, server_hostname=host)
    connection.sendall(request("/large"))
    connection.recv(1)
    print("stopped", flush=True)
    signal.pause()


def silent():
    print(until_cut(plain(), [])[0])


def idle():
    it = context()
    # One after another: a connection that is silent for long is let go, and rightly.
    wrapped = [it.wrap_socket(plain(), server_hostname=host) for _ in range(number)]
    print("open", len(wrapped), flush=True)
    sys.stdin.read()
    for connection in wrapped:
        connection.sendall(request("/"))
    print("answered", sum(read_all(c) > 0 for c in wrapped), flush=True)


globals()[what.replace("-", "_")]()
