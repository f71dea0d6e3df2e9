"""Sends back each byte as it comes, on the loopback interface: byte_echo.py PORT [CERTIFICATE KEY].

In clear, or over TLS with ALPN strait-tcp.
"""

import socket
import socketserver
import ssl
import sys

context = None
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    context.set_alpn_protocols(["strait-tcp"])


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        connection = self.request
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            while chunk := connection.recv(65536):
                connection.sendall(chunk)
            if context:
                connection.unwrap()
        except (ConnectionError, ssl.SSLError):
            pass  # a connection that is cut is what some tests are about


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


with Server(("::1", int(sys.argv[1])), Echo) as server:
    server.serve_forever()
