"""A server on which caching_sha2_password authenticates, as MySQL 8 does it.

mysql_sha2.py PORT CERTIFICATE KEY

Every account has the password `tide`. The first login of an account asks for the password itself:
in clear where the connection has TLS, else encrypted with the server's key. Later ones go the fast
way. A password in clear without TLS is refused, and the word LEAK written. A query that says
`forever` has no answer.
"""

import asyncio
import contextvars
import hashlib
import ssl
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from mysql_mimic import MysqlServer, Session, packets, server, utils
from mysql_mimic.auth import AuthPlugin, Forbidden, IdentityProvider, Success, User
from mysql_mimic.stream import MysqlStream

PASSWORD = b"tide"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)

stream_now: contextvars.ContextVar = contextvars.ContextVar("stream")
known: set = set()


def stream_of(reader, writer):
    stream = MysqlStream(reader, writer)
    # An SSLRequest and no more: what comes right behind it is for TLS, and mysql-mimic would lose it.
    writer.transport.max_size = 36
    stream_now.set(stream)
    return stream


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def scramble(nonce: bytes) -> bytes:
    once = digest(PASSWORD)
    return bytes(a ^ b for a, b in zip(once, digest(digest(once), nonce)))


def unsealed(sealed: bytes, nonce: bytes) -> bytes:
    mixed = KEY.decrypt(sealed, OAEP)
    return bytes(byte ^ nonce[index % len(nonce)] for index, byte in enumerate(mixed))


class CachingSHA2(AuthPlugin):
    name = "caching_sha2_password"
    client_plugin_name = "caching_sha2_password"

    async def auth(self, auth_info=None):
        nonce = utils.nonce(20)
        if auth_info is None:
            auth_info = yield nonce + b"\0"
        else:
            nonce = auth_info.handshake_auth_data.rstrip(b"\0")
        stream = stream_now.get()
        if auth_info.username in known and auth_info.data == scramble(nonce):
            await stream.write(packets.make_auth_more_data(b"\x03"))
            yield Success(auth_info.username)
            return
        answer = (yield b"\x04").data
        if answer == b"\x02":
            answer = unsealed((yield PUBLIC).data, nonce)
        elif stream.writer.get_extra_info("ssl_object") is None:
            print("LEAK", flush=True)
            yield Forbidden("a password in clear")
            return
        if answer.rstrip(b"\0") != PASSWORD:
            yield Forbidden(f"Access denied for user '{auth_info.username}' (sha2)")
            return
        known.add(auth_info.username)
        yield Success(auth_info.username)


class Identities(IdentityProvider):
    def get_plugins(self):
        return [CachingSHA2()]

    async def get_user(self, username):
        return User(name=username, auth_plugin=CachingSHA2.name)


class Patient(Session):
    async def query(self, expression, sql, attrs):
        if "forever" in sql:
            await asyncio.sleep(3600)
        return await super().query(expression, sql, attrs)


async def main() -> None:
    server.MysqlStream = stream_of
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    mimic = MysqlServer(session_factory=Patient, identity_provider=Identities(), ssl=context)
    await mimic.serve_forever(host=["127.0.0.1", "::1"], port=int(sys.argv[1]))


asyncio.run(main())
