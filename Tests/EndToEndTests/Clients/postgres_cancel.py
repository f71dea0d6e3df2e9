"""Cancels its own query over TLS, as libpq 17 and later do: postgres_cancel.py CONNINFO."""

import sys
import threading

import psycopg

with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    name = f"cancel-{connection.info.backend_pid}"
    connection.execute("select set_config('application_name', %s, false)", (name,))

    def cancel():
        # A second connection sees when the query runs: no guess about time.
        with psycopg.connect(sys.argv[1], autocommit=True) as observer:
            active = (
                "select 1 from pg_stat_activity where application_name = %s"
                " and state = 'active' and query like '%%pg_sleep%%'")
            while observer.execute(active, (name,)).fetchone() is None:
                pass
        connection.cancel_safe(timeout=20)

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        connection.execute("select pg_sleep(30)")
        print("the query ran to its end")
    except psycopg.errors.QueryCanceled:
        print("cancelled")
    thread.join()
