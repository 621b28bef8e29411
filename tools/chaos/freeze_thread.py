"""Freezes one thread of a process with ptrace until standard input closes (Linux).

    python -m tools.chaos.freeze_thread TID

A program of its own: the tracer is also told when the process ends, which would confuse asyncio.
"""

import ctypes
import os
import select
import sys

_SEIZE, _INTERRUPT = 0x4206, 0x4207
_WALL = 0x40000000
_STEP_S = 0.1


def freeze(tid: int) -> None:
    """Stop a thread, print "frozen", and wait until standard input closes or the thread ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    for request in (_SEIZE, _INTERRUPT):
        if libc.ptrace(request, tid, None, None):
            raise OSError(ctypes.get_errno(), f"ptrace of thread {tid}")
    os.waitpid(tid, _WALL)
    print("frozen", flush=True)
    while not select.select([sys.stdin], [], [], _STEP_S)[0]:
        ended, status = os.waitpid(tid, _WALL | os.WNOHANG)
        if ended and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            return


if __name__ == "__main__":
    freeze(int(sys.argv[1]))
