"""`barkclient say`: speaks a text into a WAV file as the audio comes, and says how it went."""

import os
import signal
import sys
from contextlib import ExitStack

from barkclient.client import Client, Synthesis
from barkclient.commands.arguments import SayArguments
from barkclient.commands.files import check_folder
from barkclient.commands.meter import Meter
from barkclient.commands.report import human_summary, json_summary
from barkclient.errors import BarkClientError, InvalidRequest, ServerError
from barkclient.options import FineOptions, Sampling, SemanticOptions, SynthesisOptions
from barkclient.responses import AudioChunk
from barkclient.wav import WavWriter

_STANDARD = "-"


def say(arguments: SayArguments) -> None:
    """Speaks; an error or Ctrl-C leaves a valid file of what came, and its note says so."""
    text = _read_text(arguments.text)
    check_folder(arguments.output)
    check_folder(arguments.save_voice)
    with Client(arguments.server, timeout=arguments.timeout) as client:
        meter = Meter(None if arguments.quiet else sys.stderr)
        synthesis = client.synthesize(text, **synthesis_options(arguments))
        try:
            _record(synthesis, arguments.output, meter)
            _save_voice(synthesis, arguments.save_voice)
        except (BarkClientError, OSError, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt):  # a second one must not break the farewell
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            synthesis.close()
            meter.end()
            if meter.chunks:
                error.add_note(
                    f"{_name(arguments.output)} holds {meter.audio_seconds:.2f} s of audio"
                )
                _report(arguments, synthesis, meter, error)
            raise
        meter.end()
        _report(arguments, synthesis, meter, None)


def synthesis_options(arguments: SayArguments) -> SynthesisOptions:
    """The keywords of `synthesize` that the command line asks for."""
    top_k, top_p = arguments.top_k, arguments.top_p
    return {
        "voice": arguments.voice,
        "seed": arguments.seed,
        "greedy": arguments.greedy,
        "delivery": arguments.delivery,
        "encoding": arguments.encoding,
        "return_voice": arguments.save_voice is not None,
        "semantic": SemanticOptions(
            temperature=arguments.semantic_temperature,
            top_k=top_k,
            top_p=top_p,
            min_eos_p=arguments.min_eos_p,
        ),
        "coarse": Sampling(temperature=arguments.coarse_temperature, top_k=top_k, top_p=top_p),
        "fine": FineOptions(temperature=arguments.fine_temperature),
    }


def _record(synthesis: Synthesis, output: str, meter: Meter) -> None:
    """Writes the chunks as they come; without audio there is no file, and an older one stays."""
    with ExitStack() as stack:
        wav: WavWriter | None = None
        for chunk in synthesis:
            if wav is None:
                wav = _open_wav(output, chunk, stack)
            wav.write(chunk.audio)
            meter.add(chunk)


def _open_wav(output: str, chunk: AudioChunk, stack: ExitStack) -> WavWriter:
    if output != _STANDARD:
        return stack.enter_context(WavWriter(output, chunk.sample_rate, chunk.encoding))
    # An own file object: Python's would try once more to write what a closed pipe has refused.
    stdout = stack.enter_context(os.fdopen(1, "wb", closefd=False))
    wav = WavWriter(stdout, chunk.sample_rate, chunk.encoding, patch_sizes=False)
    return stack.enter_context(wav)


def _report(
    arguments: SayArguments, synthesis: Synthesis, meter: Meter, error: BaseException | None
) -> None:
    to_stdout = arguments.output == _STANDARD
    if arguments.json:
        stream = sys.stderr if to_stdout else sys.stdout
        print(json_summary(synthesis, meter, arguments.output, error), file=stream, flush=True)
    if error is None and not arguments.quiet and not (arguments.json and to_stdout):
        print(human_summary(synthesis, meter, _name(arguments.output)), file=sys.stderr)


def _save_voice(synthesis: Synthesis, path: str | None) -> None:
    if path is None:
        return
    voice = synthesis.finished.voice
    if voice is None:
        raise ServerError(f"the server sent no voice, so there is none in {path}")
    voice.save(path)


def _read_text(text: str) -> str:
    if text != _STANDARD:
        return text
    try:
        return sys.stdin.buffer.read().decode().strip()
    except UnicodeDecodeError as error:
        raise InvalidRequest("the text on standard input is not UTF-8") from error


def _name(output: str) -> str:
    return "standard output" if output == _STANDARD else output
