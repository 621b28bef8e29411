"""What must hold after hostile input."""

from tests.fuzz.hosted import HostedServices

_MAX_STALL_S = 0.4
"""Computing time of one turn of the event loop. It is a few ms; 3 MiB of tokens take 30 ms."""


def check_services(services: HostedServices, ordinary_audio: bytes, fuzzed: str) -> None:
    """Slots are free, no event loop stalled, the log has no traceback, and speech is as before."""
    state = services.wait_without_streams()
    print(
        f"\n{fuzzed}: longest stall {state['stall_s'] * 1000:.0f} ms,"
        f" {state['stall_cpu_s'] * 1000:.0f} ms computing; memory {state['rss_bytes'] >> 20} MiB"
    )
    assert state["stall_cpu_s"] < _MAX_STALL_S
    wrong = services.wrong_log_lines()
    assert not wrong, wrong
    assert services.speak() == ordinary_audio
