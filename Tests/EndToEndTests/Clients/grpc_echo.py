"""A gRPC service that echoes, on the loopback interface: grpc_echo.py PORT [CERTIFICATE KEY].

In clear (HTTP/2 with prior knowledge) or over TLS. Messages are bytes, so that no code is generated.
"""

import concurrent.futures
import hashlib
import sys
import threading

import grpc

cancelled = threading.Semaphore(0)


def unary(request, context):
    context.set_trailing_metadata((("digest", hashlib.sha256(request).hexdigest()),))
    return request


def down(request, context):
    for number in range(int(request)):
        yield b"message %d" % number


def up(requests, context):
    digest, count = hashlib.sha256(), 0
    for request in requests:
        digest.update(request)
        count += 1
    return f"{count} {digest.hexdigest()}".encode()


def both(requests, context):
    for request in requests:
        yield request[::-1]


def hang(request, context):
    """Answers nothing until the caller gives up, which `cancelled` counts."""
    over = threading.Event()

    def given_up():
        over.set()
        cancelled.release()  # here, because the rest below may never run

    context.add_callback(given_up)
    yield b"begun"
    over.wait(60)


def was_cancelled(request, context):
    """Answers as soon as one more call of `hang` was given up."""
    return b"yes" if cancelled.acquire(timeout=20) else b"no"


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Down": grpc.unary_stream_rpc_method_handler(down),
    "Up": grpc.stream_unary_rpc_method_handler(up),
    "Both": grpc.stream_stream_rpc_method_handler(both),
    "Hang": grpc.unary_stream_rpc_method_handler(hang),
    "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
}
server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=[
    ("grpc.max_receive_message_length", 2**26), ("grpc.max_send_message_length", 2**26)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("strait.Echo", handlers),))
for address in ("127.0.0.1", "[::1]"):
    if len(sys.argv) > 2:
        chain, key = (open(path, "rb").read() for path in sys.argv[2:4])
        credentials = grpc.ssl_server_credentials([(key, chain)])
        server.add_secure_port(f"{address}:{sys.argv[1]}", credentials)
    else:
        server.add_insecure_port(f"{address}:{sys.argv[1]}")
server.start()
server.wait_for_termination()
