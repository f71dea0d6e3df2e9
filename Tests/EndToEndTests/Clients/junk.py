"""Junk in one connection, told as one line: junk.py WHAT PLACE CA HOST BYTES.

    raw          BYTES of random bytes from the first one on
    record       a record of a hello that never ends, filled with random bytes
    fragments    one hello in records of one byte each, of a length that is never reached
    http         a request line that never ends
    header       a request whose header never ends
    tls          a handshake, and then random bytes that are no records
    relayed      a handshake, and then BYTES inside of TLS
    body         a request to the admin socket with a body of BYTES
    chunks       the same in chunks, without a length

PLACE is ADDRESS,PORT or the path of a UNIX socket. Says how it ended, and whether all was taken;
"stuck" when it was neither taken nor cut for a minute, on a UNIX socket for ten seconds.
"""

import os
import socket
import ssl
import sys

what, place, authority, host, total = sys.argv[1:6]
total = int(total)


def plain():
    if place.startswith("/"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(place)
        connection.settimeout(10)
    else:
        address, port = place.split(",")
        connection = socket.create_connection((address, int(port)))
        connection.settimeout(60)
    return connection


def wrap(connection):
    it = ssl.create_default_context(cafile=authority)
    return it.wrap_socket(connection, server_hostname=host)


def junk(make=os.urandom):
    block = make(2**16)
    for _ in range(total // len(block)):
        yield block


def text(count):
    return os.urandom(count // 2).hex().encode()


def pour(connection, first, blocks):
    sent, cut = 0, False
    try:
        connection.sendall(first)
        for block in blocks:
            connection.sendall(block)
            sent += len(block)
    except TimeoutError:
        print("stuck part -")  # neither taken nor cut
        return
    except (OSError, ssl.SSLError):
        cut = True
    answer = b""
    try:
        if not cut:
            connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            answer = (answer + chunk)[:65536]
    except (OSError, ssl.SSLError):
        cut = True
    status = answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/1.1 ") else "-"
    print("cut" if cut else "ended", "all" if sent >= total // 2**16 * 2**16 else "part", status)


hello = b"\x16\x03\x01\x40\x00" + b"\x01\x00\xff\xff\x03\x03"
request = f"POST /v1/explain HTTP/1.1\r\nHost: admin\r\n"
if what == "raw":
    pour(plain(), b"", junk())
elif what == "record":
    pour(plain(), hello, junk())
elif what == "fragments":
    fragment = b"\x16\x03\x01\x00\x01\x00"
    pour(plain(), b"\x16\x03\x01\x00\x04\x01\x00\xff\xff", junk(lambda n: fragment * (n // 6) + b"\x16" * (n % 6)))
elif what == "http":
    pour(plain(), b"GET /", junk(text))
elif what == "header":
    pour(plain(), b"GET / HTTP/1.1\r\nHost: www.acme.test\r\nX: ", junk(text))
elif what == "tls":
    connection = wrap(plain())
    pour(socket.socket(fileno=connection.detach()), b"", junk())
elif what == "relayed":
    pour(wrap(plain()), b"", junk())
elif what == "body":
    pour(plain(), f"{request}Content-Length: {total}\r\n\r\n".encode(), junk())
elif what == "chunks":
    pour(plain(), f"{request}Transfer-Encoding: chunked\r\n\r\n".encode(),
         (b"%x\r\n%b\r\n" % (len(block), block) for block in junk()))
