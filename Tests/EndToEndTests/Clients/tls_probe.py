"""One TLS connection, told as JSON: what was agreed on, or which alert came.

    tls_probe.py ADDRESS PORT CA [name=HOST] [alpn=A,B] [cert=FILE key=FILE] [max=1.2] [min=1.1]
                 [send=TEXT] [read=BYTES] [again=HOST]

`again` connects a second time with the ticket of the first, to the given name.
"""

import json
import re
import socket
import ssl
import sys

address, port, authority = sys.argv[1:4]
options = dict(word.split("=", 1) for word in sys.argv[4:])
versions = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def make_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    context.check_hostname = False
    if "min" in options:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = versions[options["min"]]
    if "max" in options:
        context.maximum_version = versions[options["max"]]
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"].split(","))
    if "cert" in options:
        context.load_cert_chain(options["cert"], options["key"])
    return context


def attempt(context, name, ticket=None):
    plain = socket.create_connection((address, int(port)), timeout=20)
    try:
        with context.wrap_socket(plain, server_hostname=name, session=ticket) as connection:
            told = {
                "version": connection.version(), "alpn": connection.selected_alpn_protocol(),
                "cipher": connection.cipher()[0], "reused": connection.session_reused,
                "serial": "%x" % int(connection.getpeercert()["serialNumber"], 16),
            }
            connection.sendall(options.get("send", "").encode().decode("unicode_escape").encode())
            if "read" in options:
                told["read"] = connection.recv(int(options["read"])).decode(errors="replace")
            else:
                # An alert of TLS 1.3's server comes after our handshake is done, a ticket too.
                connection.settimeout(1.0)
                try:
                    told["closed"] = connection.recv(1) == b""
                except TimeoutError:
                    told["closed"] = False
            return told, connection.session
    except ssl.SSLError as error:
        # Python has no name for some alerts, only OpenSSL's text: "[SSL] tlsv1 alert … (_ssl.c:1006)".
        text = re.sub(r"^\[SSL\] | \(_ssl.*$", "", str(error))
        return {"alert": error.reason or text.upper().replace(" ", "_")}, None
    except ConnectionError as error:
        return {"alert": type(error).__name__}, None


context = make_context()
first, ticket = attempt(context, options.get("name"))
if "again" in options:
    first["again"] = attempt(context, options["again"], ticket)[0]
print(json.dumps(first))
