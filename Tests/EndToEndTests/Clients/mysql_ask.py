"""Asks a MySQL server one question with a driver, over a verified TLS connection or none.

mysql_ask.py DRIVER ADDRESS PORT NAME AUTHORITY CERTIFICATE KEY USER PASSWORD QUERY...

DRIVER is pymysql, connector (pure Python) or connector-c (MySQL's own library). ADDRESS may be a
path of a UNIX socket. AUTHORITY, CERTIFICATE and KEY may be empty: without AUTHORITY no TLS is
spoken. Each answer is a line; an error is `error CODE SQLSTATE TEXT`, with status 1.
"""

import sys

if sys.argv[1] == "connector-c":
    import _mysql_connector  # before Python's own ssl: it brings a newer OpenSSL

import socket
import ssl

import mysql.connector
import pymysql

driver, address, port, name, authority, certificate, key, user, password = sys.argv[1:10]
queries = sys.argv[10:]


def with_pymysql():
    context = None
    if authority:
        context = ssl.create_default_context(cafile=authority)
        if certificate:
            context.load_cert_chain(certificate, key)
    if address.startswith("/"):
        return pymysql.connect(unix_socket=address, user=user, password=password)
    connection = pymysql.connect(
        host=name, user=user, password=password, ssl=context, ssl_disabled=context is None,
        defer_connect=True, connect_timeout=20)
    connection.connect(socket.create_connection((address, int(port)), timeout=20))
    return connection


def with_connector():
    options = {"user": user, "password": password, "use_pure": driver == "connector"}
    if address.startswith("/"):
        options |= {"unix_socket": address}
    else:
        options |= {"host": address, "port": int(port), "connection_timeout": 20}
    if authority:
        options |= {"ssl_ca": authority, "ssl_verify_cert": True}
        if certificate:
            options |= {"ssl_cert": certificate, "ssl_key": key}
    else:
        options |= {"ssl_disabled": True}
    return mysql.connector.connect(**options)


try:
    connected = with_pymysql() if driver == "pymysql" else with_connector()
    for query in queries:
        cursor = connected.cursor()
        cursor.execute(query)
        for row in cursor.fetchall():
            print(*[c.decode() if isinstance(c, (bytes, bytearray)) else c for c in row], flush=True)
    connected.close()
except pymysql.err.Error as error:
    print("error", *error.args)
    sys.exit(1)
except mysql.connector.Error as error:
    print("error", error.errno, error.sqlstate, error.msg)
    sys.exit(1)
