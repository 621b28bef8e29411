"""The installed command `barkclient`.

It is not part of the package, whose import takes a while: Ctrl-C must not print a traceback then,
and gRPC reads how much to log when it is imported.
"""

import os
import signal


def main() -> None:
    """Import the command, then run it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # not in the background, where SIGINT is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # errors are reported by this command
    from barkclient.__main__ import main as run

    signal.signal(signal.SIGINT, handler)
    run()
