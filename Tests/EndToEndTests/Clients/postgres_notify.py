"""LISTEN on one connection, NOTIFY on another, through libpq 18: postgres_notify.py CONNINFO."""

import sys

import psycopg

assert psycopg.pq.version() >= 180000, psycopg.pq.version()
with psycopg.connect(sys.argv[1], autocommit=True) as listener:
    listener.execute("listen tide")
    with psycopg.connect(sys.argv[1], autocommit=True) as speaker:
        speaker.execute("notify tide, 'high'")
    for notice in listener.notifies(timeout=20, stop_after=1):
        print("notified:", notice.channel)
