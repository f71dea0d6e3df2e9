#!/usr/bin/env python3
"""Records exchanges with a real MariaDB server, of which the tests of MySQLMachine are made.

Starts Debian's mariadbd with an empty data folder, has Debian's client log in through a relay in
plain text, and writes mysql.txt beside this file: one exchange a paragraph, its name, then a line
for each packet: `<` the server's, `>` the client's, in hexadecimal. Only the beginning is kept, up
to the first command.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent


def packet(sock: socket.socket) -> bytes:
    data = b""
    while len(data) < 4:
        more = sock.recv(4 - len(data))
        if not more:
            return b""
        data += more
    end = 4 + int.from_bytes(data[:3], "little")
    while len(data) < end:
        data += sock.recv(end - len(data))
    return data


def relay(listener: socket.socket, port: int, lines: list) -> None:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", port))
    while True:
        data = packet(server)
        lines.append("< " + data.hex())
        client.sendall(data)
        kind = data[4]
        if len(lines) > 1 and kind in (0x00, 0xFF) or kind == 0xFF:
            break
        data = packet(client)
        lines.append("> " + data.hex())
        server.sendall(data)
    client.close()
    server.close()


def record(port: int, user: str, password: str) -> list:
    lines: list = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=relay, args=(listener, port, lines))
        thread.start()
        subprocess.run(
            ["mariadb", "--no-defaults", "--skip-ssl", "--protocol=tcp", "-h127.0.0.1",
             f"-P{listener.getsockname()[1]}", f"-u{user}", f"-p{password}", "-e", "select 1"],
            capture_output=True, timeout=20, check=False)
        thread.join()
    return lines


def main() -> None:
    folder = tempfile.mkdtemp(prefix="record-mysql-")
    os.chmod(folder, 0o755)
    data = f"{folder}/data"
    account = ["--user=mysql"] if os.getuid() == 0 else []
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
         "--auth-root-authentication-method=normal", *account],
        stdout=subprocess.DEVNULL, check=True)
    for name, suffix in [("server", "crt")]:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-keyout", f"{folder}/{name}.key", "-out",
             f"{folder}/{name}.{suffix}"], stderr=subprocess.DEVNULL, check=True)
    os.chmod(f"{folder}/server.key", 0o644)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}", *account,
         f"--socket={data}/s", "--bind-address=127.0.0.1", "--plugin-load-add=auth_ed25519",
         "--max-connections=10", "--extra-port=0", f"--ssl-cert={folder}/server.crt",
         f"--ssl-key={folder}/server.key"],
        stderr=subprocess.DEVNULL)
    try:
        root = ["mariadb", "--no-defaults", f"-S{data}/s", "-uroot", "-e"]
        while subprocess.run([*root, "select 1"], capture_output=True, check=False).returncode:
            time.sleep(0.1)
        subprocess.run(
            [*root, "create user hashed identified by 'tide'; "
             "create user signed identified via ed25519 using password('tide')"], check=True)
        exchanges = {
            "native password": record(port, "hashed", "tide"),
            "wrong password": record(port, "hashed", "ebb"),
            "switched to ed25519": record(port, "signed", "tide"),
        }
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(11)]
        exchanges["too many connections"] = record(port, "hashed", "tide")
        del held
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)
    text = "\n\n".join(
        "\n".join([name, *lines]) for name, lines in exchanges.items())
    (HERE / "mysql.txt").write_text(text + "\n")


if __name__ == "__main__":
    main()
