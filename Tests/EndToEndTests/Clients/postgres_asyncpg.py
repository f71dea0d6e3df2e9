"""Asks a server for its name over direct TLS: postgres_asyncpg.py ADDRESS PORT HOST CA CERTIFICATE KEY."""

import asyncio
import ssl
import sys

import asyncpg

address, port, host, authority, certificate, key = sys.argv[1:]


class Named(ssl.SSLContext):
    """A context that sends the service's name although the connection goes to an address."""

    def wrap_bio(self, *arguments, **named):
        named["server_hostname"] = host
        return super().wrap_bio(*arguments, **named)


async def main():
    context = Named(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["postgresql"])
    context.load_verify_locations(authority)
    if certificate:
        context.load_cert_chain(certificate, key)
    connection = await asyncpg.connect(
        host=address, port=int(port), user="demo", database="orders", ssl=context, direct_tls=True,
        timeout=20)
    print(await connection.fetchval("select name from whoami"))
    await connection.close()


asyncio.run(main())
