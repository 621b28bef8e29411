"""`barkclient info`: shows a server's model, formats and limits."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from barkclient.cli.voices_arguments import InfoArguments
from barkclient.client import Client
from barkclient.server_info import ServerInfo


def info(arguments: InfoArguments) -> None:
    """Print the server's description as a table, or as one line of JSON."""
    with Client(arguments.server, timeout=arguments.timeout, **arguments.connection()) as client:
        found = client.server_info()
    if arguments.json:
        print(json.dumps(asdict(found)))
        return
    lines = list(_lines(found))
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name:{width}}  {value}")


def _lines(found: ServerInfo) -> Iterator[tuple[str, str]]:
    limits = found.limits
    yield "barkserve", found.version
    yield "model", f"{found.model} {found.model_revision}".rstrip()
    yield "sample rate", f"{found.sample_rate} Hz"
    yield "default voice", found.default_voice
    yield "encodings", " ".join(found.encodings)
    yield "languages", " ".join(found.languages) or "unknown"
    yield "longest text", f"{limits.max_text_characters} characters"
    yield "streams", f"at most {limits.max_streams} at once"
    yield "contexts per stream", f"at most {limits.max_contexts} at once"
    yield "sample rates", f"{limits.min_sample_rate} to {limits.max_sample_rate} Hz"
    yield "speaking rates", f"{limits.min_speaking_rate:g} to {limits.max_speaking_rate:g}"
    yield "chunks", f"{limits.min_chunk_ms} to {limits.max_chunk_ms} ms"
    if limits.max_stored_voices:
        yield "stored voices", f"at most {limits.max_stored_voices}"
        yield "voice handles", f"valid for {limits.voice_handle_s} s"
    else:
        yield "stored voices", "none: the server has no voice store"
