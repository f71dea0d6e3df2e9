"""Speaks TLS over an open descriptor, asks for / and prints the answer: tls_over.py DESCRIPTOR CA HOST."""

import socket
import ssl
import sys

context = ssl.create_default_context(cafile=sys.argv[2])
plain = socket.socket(fileno=int(sys.argv[1]))
with context.wrap_socket(plain, server_hostname=sys.argv[3]) as connection:
    connection.sendall(f"GET / HTTP/1.0\r\nHost: {sys.argv[3]}\r\n\r\n".encode())
    while chunk := connection.recv(65536):
        sys.stdout.write(chunk.decode())
