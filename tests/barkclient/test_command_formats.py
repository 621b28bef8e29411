"""`barkclient say` by format, word times, playback; `barkclient voices` and `info`."""

import io
import json
import re
import sys
import types
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from barkclient import SegmentReport, WordTime
from barkclient.__main__ import run
from barkclient.cli import timestamps
from barkclient.cli.cues import cues
from barkclient.cli.phrases import BOUND, CLAUSE, PHRASE, WORD, break_cost
from barkclient.cli.phrases import SENTENCE as SENTENCE_END
from barkserve.v1 import speech_pb2
from tests.barkclient.command_line import Command
from tests.barkclient.scripted_server import PCM, TEXT, VOICE, ScriptedSpeech

AUDIO = b"".join(samples.tobytes() for samples in PCM)
BYTES = (
    np.concatenate(PCM).astype(np.uint8).tobytes()
)  # what the scripted server sends for other encodings


@pytest.mark.parametrize(
    ("arguments", "file", "encoding", "content"),
    [
        (["-o", "a.mp3"], "a.mp3", "MP3", BYTES),
        (["-o", "a.OGG"], "a.OGG", "OGG_OPUS", BYTES),
        (["-o", "a.flac"], "a.flac", "FLAC", BYTES),
        (["--format", "mulaw", "--rate", "8000"], "speech.mulaw", "MULAW", BYTES),
        (["--format", "alaw", "-o", "a.txt"], "a.txt", "ALAW", BYTES),
        (["-o", "a.pcm"], "a.pcm", "PCM16", AUDIO),
        (["-o", "a"], "a", "PCM16", None),
        (["--format", "pcm", "--encoding", "float32"], "speech.pcm", "FLOAT32", None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_format_follows_option_or_suffix(
    command: Command,
    speech: ScriptedSpeech,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    file: str,
    encoding: str,
    content: bytes | None,
) -> None:
    monkeypatch.chdir(command.folder)
    assert await command.inside("say", TEXT, *arguments, "--quiet") == 0
    asked = speech.requests[0].audio_format
    assert asked.encoding == speech_pb2.AudioEncoding.Value(f"AUDIO_ENCODING_{encoding}")
    assert asked.sample_rate_hertz == (8000 if "--rate" in arguments else 0)
    written = (command.folder / file).read_bytes()
    assert content is None or written == content
    assert (written[:4] == b"RIFF") == (file == "a")


async def test_say_sends_audio_text_and_tail_options(
    command: Command, speech: ScriptedSpeech
) -> None:
    audio = "-o /dev/null --gain -6 --limit-peaks --chunk-ms 100"
    text = "--language de --voice handle:abc --keep-voice"
    tail = "--max-silence 0.5 --max-seconds-per-character 0 --redraws 1"
    assert await command.inside("say", TEXT, *f"{audio} {text} {tail} -q".split()) == 0
    (request,) = speech.requests
    assert request.audio_format.gain_db == -6
    assert request.audio_format.limit_peaks
    assert request.audio_format.chunk_ms == 100
    assert (request.language_code, request.voice.handle) == ("de", "abc")
    assert request.keep_voice
    assert (request.tail.max_silence_seconds, request.tail.max_redraws) == (0.5, 1)
    assert request.tail.HasField("max_seconds_per_character")


async def test_stream_text_speaks_text_as_it_is_typed(
    command: Command, speech: ScriptedSpeech
) -> None:
    async with command.running("say", "-", "--stream-text", "-o", "-", "--format", "pcm") as typing:
        assert typing.stdin is not None
        assert typing.stdout is not None
        for part in ("Grü", "ße".encode()[:1], "ße".encode()[1:]):
            spoken = part if isinstance(part, bytes) else part.encode()
            typing.stdin.write(spoken)
            await typing.stdin.drain()
            audio = await typing.stdout.readexactly(2 * len(spoken))  # before more is typed
            assert np.frombuffer(audio, "<i2").astype(np.uint8).tobytes() == spoken
        assert (await command.end(typing)).code == 0
    assert [request.WhichOneof("request") for request in speech.stream_requests][-1] == "end"


async def test_flac_has_unknown_length_in_pipe_or_after_failure(
    command: Command, speech: ScriptedSpeech
) -> None:
    piped = await command("say", TEXT, "--format", "flac", "-o", "-", "-q")
    assert piped.stdout == BYTES
    speech.finishes = False
    assert (await command("say", TEXT, "-o", "a.flac", "-q")).code == 1
    assert (command.folder / "a.flac").read_bytes() == BYTES


async def test_failure_to_keep_voice_affects_nothing_else(
    command: Command, speech: ScriptedSpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    speech.finished.voice_handle_error = "the disk is full"
    saved = str(command.folder / "me.npz")
    speech.finished.voice.CopyFrom(VOICE)
    options = ("-o", "/dev/null", "--keep-voice", "--save-voice", saved, "--json")
    assert await command.inside("say", TEXT, *options) == 1
    stdout, stderr = capsys.readouterr()
    assert stderr.endswith("\nbarkclient: the voice was not kept: the disk is full\n")
    assert json.loads(stdout)["voice_handle_error"] == "the disk is full"
    assert np.load(saved)["semantic_prompt"].tolist() == list(VOICE.semantic_prompt)


async def test_voice_is_saved_even_if_subtitles_fail(
    command: Command, speech: ScriptedSpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    speech.finished.voice.CopyFrom(VOICE)
    saved, subtitles = str(command.folder / "me.npz"), str(command.folder / "words.srt")
    options = ("-o", "/dev/null", "--save-voice", saved, "--timestamps", subtitles, "-q")
    assert await command.inside("say", TEXT, *options) == 1  # the server sends no word times
    assert "no word times" in capsys.readouterr().err
    assert np.load(saved)["semantic_prompt"].tolist() == list(VOICE.semantic_prompt)


async def test_say_prints_handle_of_kept_voice(
    command: Command, speech: ScriptedSpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    speech.finished.voice_handle = "abc"
    assert await command.inside("say", TEXT, "-o", "/dev/null", "--keep-voice", "--json") == 0
    stdout, stderr = capsys.readouterr()
    assert "voice kept as handle:abc" in stderr
    assert json.loads(stdout)["voice_handle"] == "handle:abc"


def word(text: str, start: int, first: int, end: int) -> WordTime:
    return WordTime(text, start, start + len(text), first, end, 1000)


def segment(start: int, end: int) -> SegmentReport:
    return SegmentReport(start, end, "stop", 0, 0, 0, 0)


SPOKEN = "Hello\nDr. X.  <你好> & a."
WORDS = [
    word("Hello", 0, 0, 400),
    word("Dr.", 6, 450, 600),
    word("X", 10, 650, 900),
    word("你", 15, 61_000, 61_500),
    word("好", 16, 61_500, 61_800),
    word("a", 21, 61_800, 62_000),
]
SEGMENTS = [segment(0, 12), segment(14, 23)]


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (
            ".srt",
            "1\n00:00:00,000 --> 00:00:00,900\nHello Dr. X.\n\n"
            "2\n00:01:01,000 --> 00:01:02,000\n<你好> & a.\n",
        ),
        (
            ".vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nHello Dr. X.\n\n"
            "00:01:01.000 --> 00:01:02.000\n&lt;你好&gt; &amp; a.\n",
        ),
    ],
)
def test_word_times_become_subtitles(tmp_path: Any, suffix: str, expected: str) -> None:
    path = tmp_path / f"out{suffix}"
    timestamps.write_timestamps(str(path), WORDS, SPOKEN, SEGMENTS)
    assert path.read_text(encoding="utf-8") == expected


def test_long_sentence_becomes_several_cues() -> None:
    words = [word("word", 5 * index, 100 * index, 100 * index + 90) for index in range(40)]
    text = " ".join(["word"] * 12 + ["is,"] + ["word"] * 27)
    words = [
        replace(each, text_start=each.text_start - (n > 12), text_end=each.text_end - (n > 12))
        for n, each in enumerate(words)
    ]
    found = list(cues(words, text, [segment(0, len(text))]))
    lines = [line for cue in found for line in cue.lines]
    assert " ".join(lines) == text
    assert max(map(len, lines)) <= 42
    assert max(len(cue.lines) for cue in found) == 2
    assert found[0].lines[-1].endswith("is,")
    assert [cue.start_s for cue in found] == [0.0, 1.3, 2.9]


def test_cues_begin_with_each_segment() -> None:
    words = [word("a", 0, 0, 1), word("b", 3, 1, 2), word("c", 6, 2, 3)]
    found = cues(words, "a. b. c.", [segment(0, 5), segment(6, 8)])
    assert [cue.lines for cue in found] == [("a. b.",), ("c.",)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Hi**, *my* [friend](https://a.com/b) `x`!", "Hi, my friend x!"),
        ('<p>Hi, <sub alias="a b">my</sub> friend <b>x</b>!</p>', "Hi, my friend x!"),
        ("Hi * my _ friend > x!", "Hi * my _ friend > x!"),
    ],
)
def test_cues_show_no_markup(text: str, shown: str) -> None:
    spoken = [("Hi", 0), ("my", 1), ("friend", 2), ("x", 3)]
    words = [word(each, text.index(each), 10 * n, 10 * n + 9) for each, n in spoken]
    words.insert(2, replace(words[1], word="b"))  # SSML speaks "a b" for "my"
    segments = [segment(text.index("Hi"), text.index("!") + 1)]
    assert [cue.lines for cue in cues(words, text, segments)] == [(shown,)]


SENTENCE = (
    "This is a sentence that is long enough to be shown on the screen, with a subordinate clause, "
    "so that the captions of it have to be divided at the ends of its phrases."
)


def spoken_words(text: str) -> list[WordTime]:
    """The words of a text, spoken at 15 characters per second."""
    return [
        word(match[0], match.start(), match.start() * 1000 // 15, match.end() * 1000 // 15)
        for match in re.finditer(r"[\w'&;-]*\w", text)
    ]


def test_cues_are_broken_where_phrases_end() -> None:
    found = list(cues(spoken_words(SENTENCE), SENTENCE, [segment(0, len(SENTENCE))]))
    assert [cue.lines for cue in found] == [
        ("This is a sentence that is long enough", "to be shown on the screen,"),
        ("with a subordinate clause,", "so that the captions"),
        ("of it have to be divided", "at the ends of its phrases."),
    ]


@pytest.mark.parametrize(
    ("before", "after", "cost"),
    [
        ("well.", "Then", SENTENCE_END),
        ("he said,", "that", CLAUSE),
        ("clause", "and", PHRASE),
        ("red", "apples", WORD),
        ("the", "screen", BOUND),
        ("of", "it", BOUND),
        ("Dr.", "Smith", BOUND),
        ("eine", "Frage", BOUND),
        ("Haus", "und", PHRASE),
        ("la", "maison", BOUND),
    ],
)
def test_break_costs_follow_the_guidelines(before: str, after: str, cost: int) -> None:
    assert break_cost(before, after) == cost


def test_cue_keeps_brackets_with_their_words() -> None:
    text = "One of the many long words that I know " + "(or so I believe, but I may be wrong) here."
    found = list(cues(spoken_words(text), text, [segment(0, len(text))]))
    lines = [line for cue in found for line in cue.lines]
    assert not any(line.endswith("(") for line in lines)
    assert " ".join(lines) == text


@pytest.mark.parametrize(
    ("text", "plain", "shown"),
    [
        ("<speak>AT&amp;T café &lt;b&gt;</speak>", False, "AT&T café <b>"),
        ("AT&amp;T & **café**", False, "AT&T & café"),
        ("AT&amp;T & **café**", True, "AT&amp;T & **café**"),
    ],
)
def test_cues_show_references_as_their_characters(text: str, plain: bool, shown: str) -> None:
    words = [each for each in spoken_words(text) if each.word not in ("speak", "lt", "&lt;b")]
    (cue,) = cues(words, text, [segment(0, len(text))], plain=plain)
    assert cue.lines == (shown,)


async def test_say_writes_word_times(command: Command, speech: ScriptedSpeech) -> None:
    words = speech_pb2.WordTimes()
    words.words.add(word=TEXT, first_sample=0, end_sample=2400).text_span.end = len(TEXT)
    speech.words.append(words)
    file = command.folder / "out.json"
    assert await command.inside("say", TEXT, "-o", "/dev/null", "--timestamps", str(file)) == 0
    assert speech.requests[0].word_times
    (entry,) = json.loads(file.read_text())["words"]
    assert (entry["word"], entry["start"], entry["end"]) == (TEXT, 0.0, 0.1)


async def test_say_fails_without_word_times(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    file = command.folder / "out.srt"
    assert await command.inside("say", TEXT, "-o", "/dev/null", "--timestamps", str(file)) == 1
    assert "the server sent no word times" in capsys.readouterr().err
    assert not file.exists()


class Device:
    """A replacement of the sounddevice library that records what it plays."""

    PortAudioError = RuntimeError

    def __init__(self) -> None:
        self.played = b""
        self.options: dict[str, Any] = {}
        self.ended = False

    def query_devices(self, kind: str) -> None: ...

    def RawOutputStream(self, **options: Any) -> "Device":
        self.options = options
        return self

    def write(self, audio: bytes) -> None:
        self.played += audio

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True


async def test_say_plays_audio(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    monkeypatch.chdir(command.folder)
    assert await command.inside("say", TEXT, "--play") == 0
    assert device.options == {"samplerate": 24000, "channels": 1, "dtype": "int16"}
    assert (device.played, device.ended) == (AUDIO, True)
    assert list(command.folder.iterdir()) == []
    assert "played: 1.00 s of audio" in capsys.readouterr().err


@pytest.mark.parametrize("library", ["none", "no device"])
async def test_missing_sound_device_is_reported_before_any_call(
    command: Command,
    speech: ScriptedSpeech,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    library: str,
) -> None:
    if library == "none":
        monkeypatch.setitem(sys.modules, "sounddevice", None)
    else:

        def none(kind: str) -> None:
            raise ValueError("no device")

        silent = types.SimpleNamespace(query_devices=none, PortAudioError=RuntimeError)
        monkeypatch.setitem(sys.modules, "sounddevice", silent)
    assert await command.inside("say", TEXT, "--play") == 2
    expected = "pip install" if library == "none" else "no sound device (no device)"
    assert expected in capsys.readouterr().err
    assert speech.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["say", TEXT, "--play", "-o", "a.mp3"],
        ["say", TEXT, "--format", "mp3", "--encoding", "float32"],
        ["say", TEXT, "--timestamps", "words.txt"],
        ["say", TEXT, "--timestamps", "nowhere/words.srt"],
        ["say", TEXT, "--format", "mp4"],
        ["say", TEXT, "-o", "a.aac"],
        ["say", TEXT, "-o", "a.mp3", "--format", "wav"],
        ["say", TEXT, "--save-voice", "me.txt"],
        ["say", TEXT, "--rate", "-1"],
        ["voices", "create", "x"],
        ["voices", "rename", "x"],
        ["voices", "create", "x", "nowhere.npz"],
    ],
    ids=lambda arguments: " ".join(arguments[-2:]),
)
def test_contradicting_options_are_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        sys.exit(run(arguments, {}))
    assert exited.value.code == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith("barkclient")
    assert len(stderr.splitlines()) == 1


async def test_voices_creates_shows_and_deletes(
    command: Command, speech: ScriptedSpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    npz, saved = command.folder / "me.npz", command.folder / "saved.npz"
    np.savez(npz, semantic_prompt=[1, 2])
    words = ["--description", "mine", "--language", "en", "--replace", "--json"]
    assert await command.inside("voices", "create", "me", str(npz), *words) == 0
    assert json.loads(capsys.readouterr().out)["stored"] is True
    (created,) = speech.created
    assert (created.source.npz, created.replace) == (npz.read_bytes(), True)
    assert await command.inside("voices", "list") == 0
    assert "me               en  mine" in capsys.readouterr().out.splitlines()
    assert await command.inside("voices", "show", "me", "--save", str(saved)) == 0
    assert "origin       created, can be deleted" in capsys.readouterr().out
    with np.load(io.BytesIO(saved.read_bytes())) as arrays:
        assert arrays["semantic_prompt"].tolist() == list(VOICE.semantic_prompt)
    assert await command.inside("voices", "delete", "me") == 0
    assert await command.inside("voices", "show", "me") == 2


async def test_voices_accepts_options_before_subcommand(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await command.inside("voices", "--json", "list") == 0
    assert json.loads(capsys.readouterr().out)["voices"]


async def test_info_shows_model_and_limits(
    command: Command, speech: ScriptedSpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    speech.info.limits.max_text_characters = 1000
    assert await command.inside("info") == 0
    text = capsys.readouterr().out
    assert "1000 characters" in text
    assert "no voice store" in text
    assert await command.inside("info", "--json") == 0
    assert json.loads(capsys.readouterr().out)["limits"]["max_text_characters"] == 1000
