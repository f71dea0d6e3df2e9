"""One byte at a time, each told as one line: drip.py WHAT ADDRESS PORT CA HOST SECONDS COUNT [CERT KEY].

    echo         COUNT bytes, SECONDS apart, each of which must come back before the next one
    hello        a ClientHello, a byte every SECONDS, until it is whole or cut
    none         nothing after the handshake, until it is cut

The time between bytes is what is tested, so this program lets it pass.
"""

import os
import socket
import ssl
import sys
import time

what, address, port, authority, host, seconds, count, *pair = sys.argv[1:]
seconds, count = float(seconds), int(count)


def plain():
    connection = socket.create_connection((address, int(port)), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def context():
    it = ssl.create_default_context(cafile=authority)
    it.set_alpn_protocols(["strait-tcp"])
    if pair:
        it.load_cert_chain(*pair)
    return it


def open_it():
    return context().wrap_socket(plain(), server_hostname=host) if host != "-" else plain()


def echo():
    connection = open_it()
    for number, byte in enumerate(os.urandom(count)):
        if number:
            time.sleep(seconds)
        connection.sendall(bytes([byte]))
        if connection.recv(1) != bytes([byte]):
            print("cut or changed after", number)
            return
    print("intact", count)


def hello():
    outgoing = ssl.MemoryBIO()
    tls = context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    connection = plain()
    whole = outgoing.read()
    try:
        for number, byte in enumerate(whole):
            connection.sendall(bytes([byte]))
            connection.settimeout(seconds)
            try:
                if not connection.recv(65536):
                    print("cut within" if number + 1 < len(whole) else "cut after")
                    return
                print("answered within" if number + 1 < len(whole) else "answered after")
                return
            except TimeoutError:
                pass
        print("sent whole")
    except ConnectionError:
        print("cut within")


def none():
    connection = open_it()
    try:
        print("cut" if not connection.recv(1) else "answered")
    except ConnectionError:
        print("cut")


globals()[what]()
