"""The main process of a unit that starts programs inside the unit's sandbox, for in_unit.py, which is
outside. A request is one message: a program, its variables, its folder, and three descriptors."""

import json
import os
import selectors
import signal
import socket
import sys

MESSAGE_MAX = 256 * 1024


def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(os.environ["NOTIFY_SOCKET"])
        manager.send(text.encode())


def launch(client):
    """Starts what a client asks for; it runs once the client has said so."""
    message, descriptors, _, _ = socket.recv_fds(client, MESSAGE_MAX, 3)
    if not message:
        client.close()
        return None
    wanted = json.loads(message)
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
            go = client.recv(1)
            if go:
                os.closerange(3, 4096)
                os.chdir(wanted["directory"])
                os.execvpe(wanted["arguments"][0], wanted["arguments"], wanted["environment"])
        except OSError as error:
            os.write(2, f"launch.py: {wanted['arguments'][0]}: {error}\n".encode())
        os._exit(127)
    for descriptor in descriptors:
        os.close(descriptor)
    client.send(json.dumps({"pid": pid}).encode())
    return pid


def main(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    running = {}
    count = 0
    notify("READY=1")
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                client, _ = listener.accept()
                pid = launch(client)
                if pid is None:
                    continue
                count += 1
                notify(f"STATUS={count} started")
                running[pid] = client
            else:
                os.read(woken, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            client = running.pop(pid, None)  # none: an upgrade started it
            if client is not None:
                try:
                    client.send(json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode())
                except OSError:
                    pass  # nobody waits for it any more
                client.close()


if __name__ == "__main__":
    main(sys.argv[1])
