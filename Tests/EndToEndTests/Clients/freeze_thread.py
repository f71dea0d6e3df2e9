"""Stops one thread of a process, the others go on: freeze_thread.py PID NAME, until SIGTERM.

Ends with the thread, too, which is not gone before who has stopped it knows.
"""

import ctypes
import os
import signal
import sys

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # waitpid(2): threads too
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


process, name = sys.argv[1:]
for thread in os.listdir(f"/proc/{process}/task"):
    with open(f"/proc/{process}/task/{thread}/comm") as comm:
        if comm.read().strip() == name:
            break
else:
    sys.exit(f"process {process} has no thread {name}")
signals = [signal.SIGTERM, signal.SIGCHLD]
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
ptrace(PTRACE_SEIZE, int(thread))
ptrace(PTRACE_INTERRUPT, int(thread))
os.waitpid(int(thread), WALL)
print("frozen", flush=True)
while signal.sigwait(signals) == signal.SIGCHLD:
    found, status = os.waitpid(int(thread), WALL | os.WNOHANG)
    if found and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
        sys.exit()
ptrace(PTRACE_DETACH, int(thread))
