#!/usr/bin/env python3
"""Generates the corpus of ClientHellos beside this file.

Needs openssl and curl, and from PyPI: curl_cffi (Chromium, Firefox and Safari shapes by BoringSSL) and
psycopg[binary] (libpq with its own OpenSSL). Everything talks to a loopback listener that only records.
Shapes that no program here sends (Go, two post-quantum shares, 0-RTT) are built by hand below.

Each file is the downstream's bytes up to the end of its hello, as hexadecimal, behind `key: value` lines
that say what a reader must find. `alpn` is the content of the ProtocolNameList in hexadecimal.
"""
import os, random, socket, struct, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "orders.acme.example.com"


def write(name, data, server_name=NAME, alpn=(), version=0x0304, **flags):
    alpn_bytes = b"".join(bytes([len(p)]) + p for p in alpn)
    lines = [f"server_name: {server_name}", f"alpn: {alpn_bytes.hex()}", f"version: {version:04x}"]
    lines += [f"{key}: {str(value).lower()}" for key, value in sorted(flags.items())]
    text = data.hex()
    lines += [""] + [text[i:i + 96] for i in range(0, len(text), 96)]
    with open(os.path.join(HERE, name + ".hello"), "w") as file:
        file.write("\n".join(lines) + "\n")
    print(f"{name}: {len(data)} bytes")


def record(dial, prelude=b"", answer=b""):
    """What `dial(port)` sends first, after `prelude` was read from it and answered."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    thread = threading.Thread(target=dial, args=(listener.getsockname()[1],), daemon=True)
    thread.start()
    listener.settimeout(20)
    peer, _ = listener.accept()
    peer.settimeout(5)
    if prelude:
        assert peer.recv(len(prelude), socket.MSG_WAITALL) == prelude
        peer.sendall(answer)
    data = b""
    while len(data) < 5 or len(data) < 5 + struct.unpack(">H", data[3:5])[0]:
        data += peer.recv(65536)
    peer.close()
    listener.close()
    return data[:5 + struct.unpack(">H", data[3:5])[0]]


def run(*command):
    def dial(port):
        subprocess.run([part.replace("PORT", str(port)) for part in command], timeout=20,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return dial


def openssl(*arguments):
    return run("openssl", "s_client", "-connect", "127.0.0.1:PORT", *arguments)


def resumption():
    """A PSK hello, one with 0-RTT, and a TLS 1.2 ticket, each after a first handshake with s_server."""
    with tempfile.TemporaryDirectory() as folder:
        pem = os.path.join(folder, "pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x",
                        "-keyout", pem, "-out", pem + ".c"], check=True, stderr=subprocess.DEVNULL)
        free = socket.socket()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        server = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-key", pem, "-cert",
                                   pem + ".c", "-early_data"], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        early = os.path.join(folder, "early")
        with open(early, "wb") as file:
            file.write(b"GET / HTTP/1.0\r\n\r\n")
        for name, version, flags in (("openssl-3.0-psk", "-tls1_3", dict(psk=True)),
                                     ("openssl-3.0-early-data", "-tls1_3", dict(psk=True, early_data=True)),
                                     ("openssl-3.0-tls12-ticket", "-tls1_2", dict(ticket=True))):
            session = os.path.join(folder, name)
            with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version,
                                   "-servername", NAME, "-sess_out", session],
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as first:
                time.sleep(1)  # the ticket comes behind the handshake
                first.communicate(b"Q\n", timeout=10)
            more = ["-early_data", early] if "early_data" in flags else []
            data = record(openssl(version, "-servername", NAME, "-sess_in", session, *more))
            write(name, data, version=0x0304 if version == "-tls1_3" else 0x0303, **flags)
        server.kill()
        server.wait()


def recorded():
    alpn = ["-alpn", "postgresql,h2"]
    both = (b"postgresql", b"h2")
    sni = ["-servername", NAME]
    write("openssl-3.0-tls13", record(openssl(*sni)))
    write("openssl-3.0-tls13-alpn", record(openssl(*sni, *alpn)), alpn=both)
    write("openssl-3.0-tls12", record(openssl(*sni, "-tls1_2", *alpn)), alpn=both, version=0x0303)
    write("openssl-3.0-no-name", record(openssl("-noservername", *alpn)), server_name="", alpn=both)
    write("curl-7.88-openssl", record(run(
        "curl", "-sk", "--connect-to", f"{NAME}:443:127.0.0.1:PORT", f"https://{NAME}/")),
        alpn=(b"h2", b"http/1.1"))
    import ssl

    def python(port):
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1", "strait-ssh"])
        try:
            context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=NAME)
        except OSError:
            pass
    write("python-3.11-ssl", record(python), alpn=(b"http/1.1", b"strait-ssh"))

    import curl_cffi

    def browser(kind):
        def dial(port):
            try:
                curl_cffi.get(f"https://{NAME}:{port}/", impersonate=kind, verify=False, timeout=5,
                              curl_options={curl_cffi.CurlOpt.RESOLVE: [f"{NAME}:{port}:127.0.0.1"]})
            except Exception:
                pass
        return dial
    for kind in ("chrome110", "chrome124", "chrome142", "firefox133", "firefox144", "safari184"):
        for turn in range(2 if kind == "chrome142" else 1):  # Chromium permutes its extensions
            write(kind + ("-permuted" if turn else ""), record(browser(kind)), alpn=(b"h2", b"http/1.1"),
                  ech=kind not in ("chrome110", "safari184"))

    import psycopg

    def postgres(mode):
        def dial(port):
            try:
                psycopg.connect(f"host={NAME} hostaddr=127.0.0.1 port={port} sslmode=require "
                                f"sslnegotiation={mode} gssencmode=disable connect_timeout=5")
            except psycopg.Error:
                pass
        return dial
    request = bytes.fromhex("0000000804d2162f")
    write("libpq-18-sslrequest", record(postgres("postgres"), request, b"S"), alpn=(b"postgresql",))
    write("libpq-18-direct", record(postgres("direct")), alpn=(b"postgresql",))


# By hand.

def u16(value):
    return struct.pack(">H", value)


def vector(width, content):
    return struct.pack(">I", len(content))[4 - width:] + content


def extension(kind, content):
    return u16(kind) + vector(2, content)


def server_name(name):
    return extension(0, vector(2, b"\0" + vector(2, name.encode())))


def protocols(*names):
    return extension(16, vector(2, b"".join(vector(1, name) for name in names)))


def hello(extensions, suites=(0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F), session=32, version=0x0303):
    body = u16(version) + noise(32) + vector(1, noise(session))
    body += vector(2, b"".join(map(u16, suites))) + vector(1, b"\0") + vector(2, b"".join(extensions))
    return body


def noise(count):
    return RANDOM.randbytes(count)


def shares(*entries):
    return extension(51, vector(2, b"".join(u16(group) + vector(2, noise(count)) for group, count in entries)))


def records(body, *, sizes=(), version=0x0301):
    message = b"\x01" + vector(3, body)
    out, sizes = b"", list(sizes)
    while message:
        count = sizes.pop(0) if sizes else 16384
        out += b"\x16" + u16(version) + vector(2, message[:count])
        message = message[count:]
    return out


RANDOM = random.Random(1)
SUPPORTED = extension(43, vector(1, u16(0x0304) + u16(0x0303)))
HYBRID, X25519 = (0x11EC, 1216), (29, 32)


def built():
    go = [server_name(NAME), extension(5, b"\1\0\0\0\0"), extension(10, vector(2, u16(0x11EC) + u16(29) + u16(23))),
          extension(11, b"\1\0"), extension(13, vector(2, u16(0x0804) + u16(0x0403))), extension(0xFF01, b"\0"),
          extension(23, b""), extension(18, b""), SUPPORTED, protocols(b"h2", b"http/1.1"), shares(HYBRID, X25519)]
    write("go-1.24-shape", records(hello(go)), alpn=(b"h2", b"http/1.1"))
    grease = [extension(0x1A1A, b""), shares((0x2A2A, 1), HYBRID, X25519),
              extension(43, vector(1, u16(0x3A3A) + u16(0x0304) + u16(0x0303))),
              protocols(b"\x4a\x4a", b"h2", b"http/1.1"), extension(0xFE0D, b"\0\0\1\0\1\7" + vector(2, noise(32)) + vector(2, noise(208))),
              server_name(NAME), extension(17613, vector(2, vector(1, b"h2"))), extension(0x5A5A, b"\0")]
    write("grease-everywhere-shape", records(hello(grease, suites=(0x0A0A, 0x1301, 0x1302))),
          alpn=(b"\x4a\x4a", b"h2", b"http/1.1"), ech=True)
    last = [SUPPORTED, shares(X25519), extension(21, bytes(7000)), protocols(b"strait-tunnel"), server_name(NAME)]
    write("name-behind-padding-shape", records(hello(last)), alpn=(b"strait-tunnel",))
    large = [extension(0x7000 + i, bytes(14000)) for i in range(4)]
    write("four-records-shape", records(hello([protocols(b"h2")] + large + [SUPPORTED, server_name(NAME)])),
          alpn=(b"h2",))
    write("header-split-shape", records(hello([server_name(NAME), SUPPORTED]), sizes=(1, 1, 1, 1, 1)))
    write("tls10-no-extensions-shape", records(hello([], version=0x0301)[:-2], version=0x0300),
          server_name="", version=0x0301)
    many = [b"h2"] * 500 + [b"x" * 255]
    write("many-protocols-shape", records(hello([server_name(NAME), SUPPORTED, protocols(*many)])), alpn=many)


if __name__ == "__main__":
    recorded()
    resumption()
    built()
