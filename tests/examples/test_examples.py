"""Every example runs against `barkserve up` and does what it says."""

import asyncio
import base64
import json
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import soundfile
from nbclient import NotebookClient
from websockets.asyncio.client import ClientConnection, connect

from barkclient import Client
from barkclient._internal.g711 import decode_mulaw
from tests.examples.fake_language_model import ANSWER
from tests.examples.workplace import ROOT, Workplace, make_workplace

EXAMPLES = ROOT / "examples"
BOOK = "# The Fox\n\nThe fox ran away.\n\n# The Dog\n\nThe dog is cute. It sleeps all day.\n"
VTT_TIME = r"(\d\d):(\d\d):(\d\d\.\d{3})"
pytestmark = pytest.mark.timeout(600)


def seconds(file: Path) -> float:
    """The length of an audio file, which must not be silent."""
    samples, rate = soundfile.read(file)
    assert np.abs(samples).max() > 0.01
    return len(samples) / rate


def test_every_example_is_in_the_readme() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    named = set(re.findall(r"examples/(\w+\.(?:py|ipynb))", readme))
    assert named == {file.name for file in EXAMPLES.iterdir()} - {"README.md"}


def test_llm_to_speech_speaks_the_answer(
    tmp_path: Path, server: str, language_model: dict[str, str]
) -> None:
    workplace = make_workplace(tmp_path, server, **language_model)
    printed = workplace.example("llm_to_speech.py", "Why is the sky blue?")
    assert printed.startswith(ANSWER)
    assert seconds(tmp_path / "answer.mp3") > 2


def test_audiobook_resumes_after_kill(workplace: Workplace) -> None:
    """SIGKILL in the second chapter; the files equal those of a run without a stop."""
    (workplace.folder / "book.txt").write_text(BOOK)
    program = (sys.executable, EXAMPLES / "audiobook.py", "book.txt", "--folder")
    first, second = "01-the-fox", "02-the-dog"
    process = workplace.start(*program, "killed")
    part = workplace.folder / "killed" / f"{second}.part"
    while not part.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = (workplace.folder / "killed" / f"{first}.mp3").stat()
    printed = workplace.run(*program, "killed")
    assert f"{first}.mp3: kept" in printed
    assert f"{second}.mp3: done" in printed
    assert (workplace.folder / "killed" / f"{first}.mp3").stat().st_mtime_ns == kept.st_mtime_ns
    workplace.run(*program, "whole")
    files = {file.name: file.read_bytes() for file in (workplace.folder / "whole").iterdir()}
    assert set(files) == {f"{name}.{kind}" for name in (first, second) for kind in ("mp3", "srt")}
    assert files == {f.name: f.read_bytes() for f in (workplace.folder / "killed").iterdir()}
    assert "-->" in files[f"{second}.srt"].decode()
    assert seconds(workplace.folder / "whole" / f"{second}.mp3") > 1


class Twilio:
    """The caller's side: sends and checks messages as Twilio Media Streams does."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._sequence = 0
        self.audio = b""

    async def send(self, event: str, content: dict[str, Any]) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": "MZ1"}
        await self._socket.send(json.dumps(message | {event: content}))

    async def start(self, text: str) -> None:
        await self._socket.send('{"event": "connected", "protocol": "Call", "version": "1.0.0"}')
        await self.send(
            "start",
            {
                "accountSid": "AC1",
                "streamSid": "MZ1",
                "callSid": "CA1",
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"text": text},
            },
        )

    async def speak(self, mulaw: bytes) -> None:
        """Send the caller's voice in frames of 20 ms."""
        for start in range(0, len(mulaw), 160):
            payload = base64.b64encode(mulaw[start : start + 160]).decode()
            times = {"chunk": str(start // 160 + 1), "timestamp": str(start // 8)}
            await self.send("media", {"track": "inbound", "payload": payload} | times)

    async def until(self, event: str) -> dict[str, Any]:
        """Collect audio until another message comes."""
        while True:
            message = json.loads(await self._socket.recv())
            assert message["streamSid"] == "MZ1"
            assert set(message) <= {"event", "streamSid", message["event"]}
            if message["event"] == event:
                return message
            assert message["event"] == "media", message
            self.audio += base64.b64decode(message["media"]["payload"], validate=True)


@asynccontextmanager
async def telephone(workplace: Workplace) -> AsyncIterator[Twilio]:
    process = workplace.start(sys.executable, EXAMPLES / "telephone.py", "--port", "0")
    try:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        async with connect(f"ws://127.0.0.1:{line.split()[-1]}") as socket:
            yield Twilio(socket)
    finally:
        process.terminate()
        process.communicate()


async def test_telephone_speaks_and_hears_keys(workplace: Workplace) -> None:
    async with telephone(workplace) as twilio:
        await twilio.start("Hello, my dog is cute.")
        mark = await twilio.until("mark")
        assert mark["mark"] == {"name": "answer-1"}
        greeting, twilio.audio = twilio.audio, b""
        samples = decode_mulaw(greeting)
        assert len(samples) > 8000
        assert np.abs(samples).max() > 0.01
        await twilio.send("mark", mark["mark"])
        await twilio.send("dtmf", {"track": "inbound_track", "digit": "5"})
        await twilio.until("clear")
        mark = await twilio.until("mark")
        assert mark["mark"] == {"name": "answer-2"}
        assert len(twilio.audio) > 4000
        await twilio.send("stop", {"accountSid": "AC1", "callSid": "CA1"})


async def test_telephone_stops_when_the_caller_speaks(workplace: Workplace) -> None:
    async with telephone(workplace) as twilio:
        await twilio.start("Hello, my dog is cute. " * 20)
        await twilio.speak(b"\xff\x7e" * 800)  # silence does not interrupt
        while not twilio.audio:
            message = json.loads(await twilio._socket.recv())
            twilio.audio += base64.b64decode(message["media"]["payload"])
        await twilio.speak(b"\x80\x00" * 800)  # 0.2 s at full scale
        await twilio.until("clear")
        with Client(workplace.environment["BARKCLIENT_SERVER"]) as client:
            client.synthesize("The slots are free again.").read()


def test_captions_have_the_time_of_every_word(workplace: Workplace) -> None:
    text = "Hello there. How are you today?"
    printed = workplace.example("live_captions.py", text)
    words = re.findall(r"\w+", text)
    assert printed.split() == words
    header, *cues = (workplace.folder / "captions.vtt").read_text().split("\n\n")
    assert header == "WEBVTT"
    assert re.findall(rf"<{VTT_TIME}>(\w+)", "".join(cues))[-1][-1] == words[-1]
    found = [
        int(hours) * 3600 + int(minutes) * 60 + float(rest)
        for cue in cues
        for hours, minutes, rest in re.findall(f"<{VTT_TIME}>", cue)
    ]
    assert len(found) == len(words)
    assert found == sorted(found)
    assert found[-1] < seconds(workplace.folder / "speech.mp3")


def test_batch_keeps_what_it_has_spoken(workplace: Workplace) -> None:
    (workplace.folder / "lines.txt").write_text("Hello.\n\nHow are you?\n👍\n")
    command = ("batch.py", "lines.txt", "--streams", "3")
    printed = workplace.example(*command)
    assert re.search(r"0001\.opus: \d\.\d s", printed)
    assert "0003.opus: text: " in printed  # nothing to speak: the others are not affected
    first = workplace.folder / "speech/0001.opus"
    assert seconds(first) > 0.3
    first.write_bytes(b"kept")
    (workplace.folder / "speech/0002.opus").unlink()
    printed = workplace.example(*command)
    assert "0001.opus" not in printed
    assert first.read_bytes() == b"kept"
    assert seconds(workplace.folder / "speech/0002.opus") > 0.3


@pytest.mark.filterwarnings("default")
async def test_notebook_plots_every_stage(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = EXAMPLES / "stages.ipynb"
    assert file.stat().st_size < 300_000
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(file, as_version=4)
    kept = [_images(cell) for cell in notebook.cells]
    runner = NotebookClient(
        notebook, timeout=500, resources={"metadata": {"path": str(workplace.folder)}}
    )
    await runner.async_execute()
    assert [_images(cell) for cell in notebook.cells] == kept
    assert sum(kept) == 4


def _images(cell: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.get("outputs", ()))
