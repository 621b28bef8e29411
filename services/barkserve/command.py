"""The installed command `barkserve`. Ctrl-C while it is imported must not print a traceback."""

import signal


def main() -> None:
    """Import the command, then run it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # not in the background, where SIGINT is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from barkserve.__main__ import main as run

    signal.signal(signal.SIGINT, handler)
    run()
