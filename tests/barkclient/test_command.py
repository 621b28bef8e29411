"""The `barkclient` command: files, messages, exit codes, signals."""

import io
import json
import signal
import socket
import sys

import grpc
import numpy as np
import pytest

from barkclient.__main__ import run
from barkserve.v1 import common_pb2, speech_pb2
from tests.barkclient.command_line import Command
from tests.barkclient.scripted_server import (
    PCM,
    SAMPLE_COUNT,
    SAMPLE_RATE,
    TEXT,
    VOICE,
    Failure,
    ScriptedSpeech,
    bad_request,
    retry_info,
)

AUDIO = b"".join(samples.tobytes() for samples in PCM)


async def test_say_writes_wav_and_summary(command: Command, speech: ScriptedSpeech) -> None:
    result = await command("say", TEXT, "--seed", "5")
    assert result.code == 0
    assert result.stdout == b""
    assert command.wav().audio == AUDIO
    assert command.wav().sample_rate == SAMPLE_RATE
    assert speech.requests[0].text == TEXT
    first, *_, summary = result.stderr.splitlines()
    assert first.startswith("first audio after ")
    assert summary.startswith("speech.wav: 1.00 s of audio, first audio after ")
    for part in ("real-time factor", "seed 5", "voice announcer", "finish reason stop"):
        assert part in summary


async def test_say_sends_options(command: Command, speech: ScriptedSpeech) -> None:
    options = "--voice none --greedy --delivery exact --encoding float32 -o out.wav --quiet"
    sampling = "--semantic-temperature 0.5 --coarse-temperature 0.25 --fine-temperature 0.125"
    limits = "--top-k 9 --top-p 0.5 --min-eos-p 0.25 --speaking-rate 1.25"
    result = await command("say", TEXT, *f"{options} {sampling} {limits}".split())
    assert (result.code, result.stdout, result.stderr) == (0, b"", "")
    assert command.wav("out.wav").format == 3
    (request,) = speech.requests
    assert request.greedy
    assert request.voice.name == "none"
    assert request.speaking_rate == 1.25
    assert request.delivery_mode == common_pb2.DELIVERY_MODE_EXACT
    semantic, coarse, fine = request.semantic, request.coarse.sampling, request.fine.sampling
    assert (semantic.sampling.temperature, semantic.min_eos_p) == (0.5, 0.25)
    assert (semantic.sampling.top_k, semantic.sampling.top_p) == (9, 0.5)
    assert (coarse.temperature, coarse.top_k, coarse.top_p) == (0.25, 9, 0.5)
    assert fine.temperature == 0.125


async def test_say_json_is_one_complete_line(command: Command) -> None:
    result = await command("say", TEXT, "--json", "--quiet")
    assert result.code == 0
    assert result.stderr == ""
    (line,) = result.stdout.splitlines()
    report = json.loads(line)
    assert report.pop("ttfa_ms") > 0
    assert report.pop("rtf") > 0
    assert report == {
        "file": "speech.wav",
        "finish_reason": "stop",
        "error": None,
        "audio_seconds": SAMPLE_COUNT / SAMPLE_RATE,
        "samples": SAMPLE_COUNT,
        "sample_rate": SAMPLE_RATE,
        "chunks": len(PCM),
        "seed": 42,
        "voice": "announcer",
        "request_id": "made-by-server",
        "model": "bark-mini",
        "model_revision": "",
        "encoding": "pcm16",
        "voice_handle": None,
        "voice_handle_error": "",
        "segments": [],
        "warnings": [],
        "stages": {
            "semantic": {
                "outputs": 7,
                "queue_ms": 0.0,
                "compute_ms": 1.5,
                "first_output_ms": 0.0,
                "last_output_ms": 0.0,
            }
        },
    }


async def test_say_reads_standard_input(command: Command, speech: ScriptedSpeech) -> None:
    result = await command("say", "-", stdin="\ufeffGrüß dich ♪\n".encode())
    assert result.code == 0
    assert speech.requests[0].text == "Grüß dich ♪"


def test_say_refuses_standard_input_that_is_not_utf8(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert run(["say", "-"], {}) == 2
    message = "barkclient: the text on standard input is not UTF-8\n"
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize("how", [[], ["--stream-text"]])
def test_say_reports_closed_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert run(["say", "-", *how], {}) == 2
    message = "barkclient: standard input is closed: give the text instead of -\n"
    assert capsys.readouterr() == ("", message)


async def test_say_writes_to_standard_output(command: Command) -> None:
    result = await command("say", TEXT, "-o", "-", "--json")
    assert result.code == 0
    assert result.stdout[:8] == b"RIFF\xff\xff\xff\xff"
    assert result.stdout[44:] == AUDIO
    assert json.loads(result.stderr.splitlines()[-1])["file"] == "-"
    assert not list(command.folder.iterdir())


async def test_say_saves_voice_and_speaks_with_it(command: Command, speech: ScriptedSpeech) -> None:
    speech.finished.voice.CopyFrom(VOICE)
    result = await command("say", TEXT, "--save-voice", "mine.npz")
    assert result.code == 0
    assert speech.requests[0].return_voice
    with np.load(command.folder / "mine.npz") as saved:
        assert saved["coarse_prompt"].tolist() == [[10, 11], [20, 21]]
    kept = str(command.folder / "mine.npz")
    assert await command.inside("say", TEXT, "--voice", kept, "-o", "/dev/null") == 0
    assert speech.requests[1].voice.npz == (command.folder / "mine.npz").read_bytes()


async def test_wav_file_is_valid_after_every_chunk(
    command: Command, speech: ScriptedSpeech
) -> None:
    speech.allow(0)
    async with command.running("say", TEXT) as process:
        samples = 0
        for chunk in PCM:
            speech.allowed.release()
            samples += len(chunk)
            wav = await command.wav_with(samples)
            assert wav.audio == AUDIO[: 2 * samples]
        assert (await command.end(process)).code == 0


async def test_wav_file_is_valid_after_interrupt(command: Command, speech: ScriptedSpeech) -> None:
    speech.allow(2)
    async with command.running("say", TEXT, "--json", "--quiet") as process:
        await command.wav_with(5)
        process.send_signal(signal.SIGINT)
        result = await command.end(process)
    assert result.code == 130
    assert result.stderr == "barkclient: interrupted; speech.wav holds 0.00 s of audio\n"
    report = json.loads(result.stdout)
    assert (report["finish_reason"], report["samples"]) == ("interrupted", 5)
    assert command.wav().audio == AUDIO[:10]
    await speech.cancelled.wait()


async def test_wav_file_is_valid_after_kill(command: Command, speech: ScriptedSpeech) -> None:
    speech.allow(2)
    async with command.running("say", TEXT) as process:
        await command.wav_with(5)
        process.kill()
        await process.communicate()
    assert command.wav().audio == AUDIO[:10]
    await speech.cancelled.wait()


async def test_say_keeps_old_file_if_interrupted_before_audio(
    command: Command, speech: ScriptedSpeech
) -> None:
    (command.folder / "speech.wav").write_bytes(b"older")
    speech.allow(0)
    async with command.running("say", TEXT) as process:
        await speech.called.wait()
        process.send_signal(signal.SIGINT)
        result = await command.end(process)
    assert (result.code, result.stderr) == (130, "barkclient: interrupted\n")
    assert (command.folder / "speech.wav").read_bytes() == b"older"


async def test_say_reports_written_audio_after_failure(
    command: Command, speech: ScriptedSpeech
) -> None:
    speech.failure = Failure(grpc.StatusCode.UNAVAILABLE, "the coarse stage broke off")
    result = await command("say", TEXT, "--json")
    assert result.code == 3
    expected = f"{speech.target} is unavailable: the coarse stage broke off"
    last = result.stderr.splitlines()[-1]
    assert last == f"barkclient: {expected}; speech.wav holds 1.00 s of audio"
    report = json.loads(result.stdout)
    assert (report["finish_reason"], report["error"]) == ("failed", expected)
    assert command.wav().audio == AUDIO


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (
            Failure(grpc.StatusCode.INVALID_ARGUMENT, "text: is empty", bad_request(("text", "x"))),
            2,
            "text: is empty",
        ),
        (Failure(grpc.StatusCode.NOT_FOUND, "no voice bob"), 2, "no voice bob"),
        (
            Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "all slots are taken", retry_info(2)),
            4,
            "all slots are taken (try again in 2 s)",
        ),
    ],
)
async def test_exit_code_follows_status(
    command: Command,
    speech: ScriptedSpeech,
    capsys: pytest.CaptureFixture[str],
    failure: Failure,
    code: int,
    message: str,
) -> None:
    speech.failure = failure
    assert await command.inside("voices") == code
    assert capsys.readouterr() == ("", f"barkclient: {message}\n")


@pytest.mark.parametrize("server", ["", " ", "localhost", "http://localhost:1", ":1", "a:99999"])
@pytest.mark.parametrize("words", [("voices",), ("bench",), ("status",), ("say", TEXT)])
async def test_invalid_server_address_is_reported(
    command: Command, capfd: pytest.CaptureFixture[str], server: str, words: tuple[str, ...]
) -> None:
    assert await command.inside(*words, "--server", server) == 2
    message = f"{server!r} is not a server address: give HOST:PORT, for example localhost:50051"
    assert capfd.readouterr() == ("", f"barkclient: {message}\n")


async def test_exit_code_is_5_after_timeout(command: Command, speech: ScriptedSpeech) -> None:
    speech.allow(0)
    result = await command("say", TEXT, "--timeout", "0.2")
    assert result.code == 5
    assert "did not finish in time" in result.stderr


async def test_exit_code_is_3_without_server(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{taken.getsockname()[1]}"
        assert await command.inside("say", TEXT, "--server", server) == 3
    message = f"barkclient: nothing answers at {server}: start one with `barkserve up`\n"
    assert capsys.readouterr() == ("", message)


async def test_exit_code_is_3_without_tls_on_server(
    command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await command.inside("voices", "--tls") == 3
    assert "does not use TLS: leave out --tls" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["say"],
        ["sing", TEXT],
        ["say", TEXT, "--delivery", "fast"],
        ["say", TEXT, "--timeout", "0"],
        ["say", TEXT, "--timeout", "inf"],
        ["say", TEXT, "--rate", "99999999999"],
        ["say", TEXT, "--seed", "99999999999999999999"],
        ["say", TEXT, "--voice", "nowhere.npz"],
        ["say", TEXT, "-o", "nowhere/out.wav"],
        ["say", "\udcff", "--stream-text"],  # how Python reads bytes that are not UTF-8
        ["voices", "show", "\udcff"],
    ],
    ids=lambda arguments: ascii(" ".join(arguments[-2:])),
)
def test_wrong_command_line_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        sys.exit(run(arguments, {}))  # argparse exits by itself
    assert exited.value.code == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.startswith("barkclient")
    assert len(stderr.splitlines()) == 1


async def test_help_lists_exit_codes(command: Command) -> None:
    result = await command("say", "--help")
    assert result.code == 0
    text = " ".join(result.stdout.decode().split())
    for part in ("exit codes:", "--save-voice", "BARKCLIENT_SERVER", "(default: speech.FORMAT"):
        assert part in text


async def test_exit_code_is_1_on_full_disk(command: Command) -> None:
    result = await command("say", TEXT, "-o", "/dev/full")
    assert result.code == 1
    assert result.stderr == "barkclient: cannot write /dev/full: No space left on device\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("say", TEXT, "-o", "{}"), "is a folder"),
        (("say", TEXT, "-o", ""), "the name of an output file is empty"),
        (
            ("say", TEXT, "--format=wav", "-o", "{}/a.npz", "--save-voice", "{}/b/../a.npz"),
            "two outputs",
        ),
        (("voices", "show", "announcer", "--save", "{}"), "is a folder"),
        (("bench", "--json", "{}"), "is a folder"),
    ],
)
async def test_invalid_output_files_are_refused_before_any_call(
    command: Command,
    speech: ScriptedSpeech,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    reason: str,
) -> None:
    (command.folder / "a.npz").touch()
    (command.folder / "b").mkdir()
    assert await command.inside(*(word.format(command.folder) for word in words)) == 2
    assert reason in capsys.readouterr().err
    assert (command.folder / "a.npz").read_bytes() == b""
    assert speech.requests == []


async def test_say_reports_broken_pipe_in_one_line(
    command: Command, speech: ScriptedSpeech
) -> None:
    speech.allow(1)
    async with command.running("say", TEXT, "-o", "-", "--quiet") as process:
        assert process.stdout is not None
        await process.stdout.readexactly(44)
        process.stdout._transport.close()  # type: ignore[attr-defined]
        speech.allowed.release()
        speech.allowed.release()
        assert process.stderr is not None
        stderr = (await process.stderr.read()).decode()
        assert await process.wait() == 1
    message = "barkclient: cannot write standard output: Broken pipe"
    assert stderr.startswith(message)
    assert len(stderr.splitlines()) == 1


async def test_voices_lists_names_and_marks_default(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await command("voices")
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == b"announcer        (default)\nv2/en_speaker_6\n"
    rest = {"language": "", "description": "", "stored": False}
    assert await command.inside("voices", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "voices": [
            {"name": "announcer", "is_default": True} | rest,
            {"name": "v2/en_speaker_6", "is_default": False} | rest,
        ]
    }


async def test_voices_explains_an_empty_list(
    command: Command, speech: ScriptedSpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    speech.voices = []
    assert await command.inside("voices") == 0
    assert "--voice FILE.npz" in capsys.readouterr().err
    assert await command.inside("voices", "--language", "zz") == 0
    assert "no named voices of language zz" in capsys.readouterr().err


async def test_say_warns_about_truncated_speech(
    command: Command, speech: ScriptedSpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    speech.finished.finish_reason = common_pb2.FINISH_REASON_LENGTH
    speech.finished.warnings.add(
        code=speech_pb2.WARNING_CODE_LENGTH_LIMIT,
        message="its end may be missing: raise tail.max_seconds_per_character, or try another seed",
    )
    assert await command.inside("say", TEXT, "-o", "/dev/null") == 0
    summary = capsys.readouterr().err
    assert "finish reason length" in summary
    assert (
        "barkclient: warning: its end may be missing: raise --max-seconds-per-character, or try"
        " another --seed\n" in summary
    )


async def test_say_warns_about_redraws_without_effect(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("say", TEXT, "-o", "/dev/null", "--redraws", "1", "-q")
    assert await command.inside(*words, "--delivery", "exact") == 0
    assert capsys.readouterr().err == ""
    assert await command.inside(*words) == 0
    assert "--redraws has no effect without --delivery exact" in capsys.readouterr().err


async def test_say_speaks_words_without_quotes(command: Command, speech: ScriptedSpeech) -> None:
    assert await command.inside("say", "Hi", "there", "-o", "/dev/null", "-q") == 0
    assert await command.inside("say", "-o", "/dev/null", "-q", "--", "-x", "is", "-5") == 0
    assert [request.text for request in speech.requests] == ["Hi there", "-x is -5"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("audio_format.sample_rate_hertz: must be 8 to 9", "--rate: must be 8 to 9"),
        ("tail.max_redraws: must be 0 to 3", "--redraws: must be 0 to 3"),
        ("voice.npz: has no codes", "--voice me.npz: has no codes"),
        ("request_id: is too long", "request_id: is too long"),
        ("empty. If semantic.min_eos_p was given, raise it",
         "empty. If --min-eos-p was given, raise it"),
    ],
)  # fmt: skip
async def test_errors_name_the_option_that_was_typed(
    command: Command,
    speech: ScriptedSpeech,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sent: str,
    shown: str,
) -> None:
    monkeypatch.chdir(command.folder)
    np.savez("me.npz", semantic_prompt=[1, 2])
    speech.failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, sent)
    assert await command.inside("say", TEXT, "-q", "--voice", "me.npz") == 2
    assert capsys.readouterr().err.startswith(f"barkclient: {shown}; speech.wav holds")


async def test_audio_is_not_written_to_a_terminal(
    command: Command,
    speech: ScriptedSpeech,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert await command.inside("say", TEXT, "-o", "-") == 2
    assert "redirect it, or name a file" in capsys.readouterr().err
    assert speech.requests == []


async def test_text_of_a_terminal_is_asked_for(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = io.TextIOWrapper(io.BytesIO(TEXT.encode()))
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.setattr(typed, "isatty", lambda: True)
    assert await command.inside("say", "-", "-o", "/dev/null", "-q") == 0
    assert "end it with Ctrl-D" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--seed=x", "'x' is not a whole number"),
        ("--seed=-1", "-1 is not between 0 and 9223372036854775807"),
        ("--gain=loud", "'loud' is not a number"),
        ("--timeout=0", "0 is not a time above 0 and up to 1e+08 s"),
    ],
)
def test_wrong_numbers_are_explained(
    capsys: pytest.CaptureFixture[str], option: str, problem: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(["say", TEXT, option], {})
    assert problem in capsys.readouterr().err


async def test_say_fails_if_server_sends_no_voice(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = command.folder / "mine.npz"
    assert await command.inside("say", TEXT, "-o", "/dev/null", "--save-voice", str(kept)) == 1
    assert "the server sent no voice" in capsys.readouterr().err
    assert not kept.exists()
