"""Answers only after the end of its input: its size and SHA-256, and as many zero bytes again.

    digest_server.py PORT [CERTIFICATE KEY]     in clear, or over TLS with ALPN strait-tcp
"""

import hashlib
import socket
import socketserver
import ssl
import sys

context = None
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    context.set_alpn_protocols(["strait-tcp"])


class Digest(socketserver.BaseRequestHandler):
    def handle(self):
        connection = self.request
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        digest, count = hashlib.sha256(), 0
        while chunk := connection.recv(65536):
            digest.update(chunk)
            count += len(chunk)
        connection.sendall(f"{count} {digest.hexdigest()}\n".encode())
        for _ in range(count // 65536):
            connection.sendall(bytes(65536))
        connection.sendall(bytes(count % 65536))
        if context:
            connection.unwrap()  # TLS's own goodbye; the other side's came already


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


with Server(("::1", int(sys.argv[1])), Digest) as server:
    server.serve_forever()
