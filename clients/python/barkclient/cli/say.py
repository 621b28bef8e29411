"""`barkclient say`: speaks a text into a file while the audio arrives, and reports the result."""

import sys
from contextlib import ExitStack

from barkclient.cli.files import check_files, check_suffix, naming
from barkclient.cli.formats import Target
from barkclient.cli.interruptible import Interrupt
from barkclient.cli.meter import Meter
from barkclient.cli.option_names import naming_options, with_option_names
from barkclient.cli.report import human_summary, json_summary, name_of
from barkclient.cli.say_arguments import SayArguments
from barkclient.cli.sinks import STANDARD, Sinks
from barkclient.cli.text_source import TypedText, read_text
from barkclient.cli.timestamps import check_timestamps, write_timestamps
from barkclient.client import Client, Synthesis
from barkclient.errors import BarkClientError, InvalidRequest, ServerError


def say(arguments: SayArguments) -> None:
    """Speak a text.

    After an error or Ctrl-C the file is valid and holds the audio that arrived. A note of the
    exception says how much that is.
    """
    with naming_options(arguments.voice):
        _say(arguments)


def _say(arguments: SayArguments) -> None:
    target = arguments.target()
    if target.output == STANDARD and sys.stdout.isatty():
        raise InvalidRequest("-o - writes audio, not text: redirect it, or name a file")
    check_timestamps(arguments.timestamps)
    check_suffix("--save-voice", arguments.save_voice, ".npz")
    output = None if target.output == STANDARD else target.output
    check_files(output, arguments.save_voice, arguments.timestamps)
    with ExitStack() as stack:
        sinks = Sinks(target, play=arguments.play, stack=stack)
        client = stack.enter_context(
            Client(arguments.server, timeout=arguments.timeout, **arguments.connection())
        )
        text = TypedText(arguments.text) if arguments.stream_text else read_text(arguments.text)
        interrupt = Interrupt()
        synthesis = _begin(client, arguments, text)
        characters = len(text) if isinstance(text, str) else None
        meter = Meter(None if arguments.quiet else sys.stderr, characters)
        try:
            for chunk in interrupt.chunks(synthesis):
                sinks.record(chunk)
                meter.add(chunk)
                sinks.play(chunk)
            sinks.finish()
            _save(synthesis, arguments, text)
        except (BarkClientError, OSError, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt):
                interrupt.ignore_further()
            synthesis.close()
            meter.end()
            if meter.chunks:
                if target.output is not None:
                    length = f"{meter.audio_seconds:.2f} s of audio"
                    error.add_note(f"{name_of(target.output)} holds {length}")
                _report(arguments, target, synthesis, meter, error)
            raise
        meter.end()
        _report(arguments, target, synthesis, meter, None)
        _warn(arguments, synthesis)
        if synthesis.finished.voice_handle_error:
            raise ServerError(f"the voice was not kept: {synthesis.finished.voice_handle_error}")


def _warn(arguments: SayArguments, synthesis: Synthesis) -> None:
    for warning in synthesis.finished.warnings:
        message = with_option_names(warning.message)
        print(f"barkclient: warning: {message}", file=sys.stderr)
    if arguments.redraws and arguments.delivery != "exact":
        print(
            "barkclient: warning: --redraws has no effect without --delivery exact",
            file=sys.stderr,
        )


def _begin(client: Client, arguments: SayArguments, text: str | TypedText) -> Synthesis:
    options = arguments.synthesis_options()
    if isinstance(text, TypedText):
        return client.synthesize_stream(text, **options)
    return client.synthesize(text, **options)


def _save(synthesis: Synthesis, arguments: SayArguments, text: str | TypedText) -> None:
    """Write the timestamps and the voice, if they were requested."""
    try:
        if arguments.timestamps is not None:
            spoken = text if isinstance(text, str) else text.so_far
            with naming(arguments.timestamps):
                write_timestamps(
                    arguments.timestamps,
                    synthesis.words,
                    spoken,
                    synthesis.finished.segments,
                    plain=arguments.text_format == "plain",
                )
    finally:  # save the voice even if the timestamps failed
        if arguments.save_voice is not None:
            _save_voice(synthesis, arguments.save_voice)


def _save_voice(synthesis: Synthesis, path: str) -> None:
    voice = synthesis.finished.voice
    if voice is None:
        raise ServerError(f"the server sent no voice: {path} was not written")
    with naming(path):
        voice.save(path)


def _report(
    arguments: SayArguments,
    target: Target,
    synthesis: Synthesis,
    meter: Meter,
    error: BaseException | None,
) -> None:
    to_stdout = target.output == STANDARD
    if arguments.json:
        stream = sys.stderr if to_stdout else sys.stdout
        print(json_summary(synthesis, meter, target.output, error), file=stream, flush=True)
    if error is None and not arguments.quiet and not (arguments.json and to_stdout):
        print(human_summary(synthesis, meter, target.output), file=sys.stderr)
