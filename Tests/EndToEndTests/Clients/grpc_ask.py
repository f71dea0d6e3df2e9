"""Every kind of gRPC call, each told as one line: grpc_ask.py HOST ADDRESS PORT CA [CERTIFICATE KEY]."""

import hashlib
import os
import sys

import grpc

host, address, port, authority = sys.argv[1:5]
family = "ipv6" if ":" in address else "ipv4"
place = f"[{address}]" if ":" in address else address
authority, *pair = (open(path, "rb").read() for path in sys.argv[4:])
credentials = grpc.ssl_channel_credentials(authority, *reversed(pair))
# The rig's name is in no DNS: this names SNI, the verified name and :authority.
channel = grpc.secure_channel(f"{family}:{place}:{port}", credentials, options=[
    ("grpc.ssl_target_name_override", host), ("grpc.default_authority", host),
    ("grpc.max_receive_message_length", 2**26), ("grpc.max_send_message_length", 2**26)])
service = "/strait.Echo/"

for size in (5, 5 * 2**20):
    message = os.urandom(size)
    answer, call = channel.unary_unary(service + "Unary").with_call(message, timeout=60)
    digest = dict(call.trailing_metadata())["digest"]
    print("unary", size, answer == message, digest == hashlib.sha256(message).hexdigest())

messages = list(channel.unary_stream(service + "Down")(b"1000", timeout=60))
print("down", len(messages), messages[-1].decode())

parts = [os.urandom(50_000) for _ in range(100)]
told = channel.stream_unary(service + "Up")(iter(parts), timeout=60).decode()
print("up", told == f"100 {hashlib.sha256(b''.join(parts)).hexdigest()}")

words = [b"ebb", b"flow", b"tide"]
turned = channel.stream_stream(service + "Both")(iter(words), timeout=60)
print("both", *(word.decode() for word in turned))

# Given up by a deadline, then by a cancel: each end of the call learns of it.
for what in ("deadline", "cancel"):
    call = channel.unary_stream(service + "Hang")(b"", timeout=1.0 if what == "deadline" else 60)
    begun = next(call).decode()
    if what == "cancel":
        call.cancel()
    try:
        next(call)
        code = "answered"
    except (grpc.RpcError, grpc.FutureCancelledError):
        code = call.code().name
    seen = channel.unary_unary(service + "WasCancelled")(b"", timeout=30).decode()
    print(what, begun, code, seen)
channel.close()
