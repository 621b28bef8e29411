"""`barkclient info`: what a server speaks, and where its limits are."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from barkclient.cli.voices_arguments import InfoArguments
from barkclient.client import Client
from barkclient.server_info import ServerInfo


def info(arguments: InfoArguments) -> None:
    """Prints it."""
    with Client(arguments.server, timeout=arguments.timeout, tls=arguments.secured()) as client:
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
    yield "languages", " ".join(found.languages) or "not known"
    yield "longest text", f"{limits.max_text_characters} characters"
    yield "streams at once", str(limits.max_streams)
    yield "contexts in a stream", str(limits.max_contexts)
    yield "sample rates", f"{limits.min_sample_rate} to {limits.max_sample_rate} Hz"
    yield "chunks", f"{limits.min_chunk_ms} to {limits.max_chunk_ms} ms"
    if limits.max_stored_voices:
        yield "created voices", f"{limits.max_stored_voices} at most"
        yield "voice handles", f"live {limits.voice_handle_s} s"
    else:
        yield "created voices", "none: the server has no voice store"
