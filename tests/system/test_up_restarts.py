"""`barkserve up` starts services again that are killed or hang."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.checkpoints import CheckpointSpec
from tests.system.test_end_to_end import (
    LONG,
    TIMEOUT_S,
    Up,
    children_of,
    command,
    gone,
    run,
    size_of,
    start_up,
    wait_until,
    wait_until_gone,
    words_of,
)


@contextmanager
def running_up(folder: Path, **options: object) -> Iterator[Up]:
    up = start_up(folder, **options)
    try:
        yield up
    finally:
        services = children_of(up.process.pid) or up.services
        up.process.kill()
        up.rest_of_stderr()
        wait_until_gone(services)


def pid_of(up: Up, service: str) -> int:
    [pid] = (pid for pid in children_of(up.process.pid) if service in words_of(pid))
    return pid


def line_with(up: Up, part: str) -> str:
    """Read the messages up to the first line with this part; the timeout limits the wait."""
    assert up.process.stderr is not None
    for line in up.process.stderr:
        if part in line:
            return line
    pytest.fail(f"barkserve up ended without {part!r}")


def say(up: Up, file: Path) -> list[str]:
    how = ("--seed=3", "--encoding=pcm16", f"--server={up.address}", f"--output={file}")
    return command("barkclient", "say", "hello the world", *how)


def test_audio_is_the_same_after_up_restarts_a_stage(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    with running_up(checkpoint_of(LONG), **{"hang-seconds": 9}) as up:
        undisturbed, file = tmp_path / "undisturbed.wav", tmp_path / "disturbed.wav"
        assert run(say(up, undisturbed)).returncode == 0

        def speak_through(signum: signal.Signals, happened: str) -> None:
            file.unlink(missing_ok=True)
            client = subprocess.Popen(say(up, file), stderr=subprocess.PIPE, text=True)
            wait_until(lambda: size_of(file) > 20_000 or client.poll() is not None)
            victim = pid_of(up, "coarse")
            os.kill(victim, signum)
            assert line_with(up, "the coarse service").startswith(f"the coarse service {happened}")
            assert line_with(up, "is ready again") == "coarse is ready again\n"
            stderr = client.communicate(timeout=TIMEOUT_S)[1]
            assert client.returncode == 0, stderr
            assert file.read_bytes() == undisturbed.read_bytes()
            assert pid_of(up, "coarse") != victim

        speak_through(
            signal.SIGKILL,
            "was killed by SIGKILL, probably out of memory; starting it again in 0.5 s (restart 1 "
            "of at most 5 in 300 s)",
        )
        speak_through(
            signal.SIGSTOP,
            "did not answer for 9 s (--hang-seconds) and was killed; starting it again in 1 s",
        )


def test_up_restarts_the_orchestrator_up_to_the_limit(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    """A client that speaks through the restart loses no sample."""
    with running_up(checkpoint_of(LONG), **{"max-restarts": 1}) as up:
        during, after = tmp_path / "during.wav", tmp_path / "after.wav"
        client = subprocess.Popen(say(up, during), stderr=subprocess.PIPE, text=True)
        wait_until(lambda: size_of(during) > 20_000 or client.poll() is not None)
        os.kill(pid_of(up, "orchestrator"), signal.SIGKILL)
        line_with(up, "orchestrator is ready again")
        stderr = client.communicate(timeout=TIMEOUT_S)[1]
        assert client.returncode == 0, stderr
        result = run(say(up, after))
        assert result.returncode == 0, result.stderr
        assert during.read_bytes() == after.read_bytes()

        services = children_of(up.process.pid)
        assert len(services) == 5
        os.kill(pid_of(up, "orchestrator"), signal.SIGKILL)
        message = line_with(up, "barkserve up: the orchestrator service was killed by SIGKILL")
        assert "already started again 1 times in 300 s" in message
        assert "--max-restarts" in message
        assert up.process.wait(TIMEOUT_S) == 1
        assert all(map(gone, services))
