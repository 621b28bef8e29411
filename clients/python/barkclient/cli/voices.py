"""`barkclient voices`: lists, shows, creates and deletes voices."""

import json
import sys
from dataclasses import asdict

from barkclient.cli.common import CommonArguments
from barkclient.cli.files import check_files, naming
from barkclient.cli.voices_arguments import (
    CreateVoiceArguments,
    DeleteVoiceArguments,
    ShowVoiceArguments,
    VoicesArguments,
)
from barkclient.client import Client
from barkclient.voices import Voice


def voices(arguments: VoicesArguments) -> None:
    """Print the named voices."""
    with _client(arguments) as client:
        known = client.voices(arguments.language)
    if arguments.json:
        print(json.dumps({"voices": [asdict(voice) for voice in known]}, ensure_ascii=False))
        return
    width = max((len(voice.name) for voice in known), default=0)
    for voice in known:
        print(_line(voice, width))
    if not known:
        of_language = f" of language {arguments.language}" if arguments.language else ""
        print(
            f"the server has no named voices{of_language}: use --voice FILE.npz",
            file=sys.stderr,
        )


def show_voice(arguments: ShowVoiceArguments) -> None:
    """Print the description of a voice, and save its tokens if requested."""
    check_files(arguments.save)
    with _client(arguments) as client:
        voice = client.get_voice(arguments.name)
        if arguments.save is not None:
            with naming(arguments.save):
                client.get_voice_tokens(arguments.name).save(arguments.save)
    _print(voice, as_json=arguments.json)


def create_voice(arguments: CreateVoiceArguments) -> None:
    """Store a voice and print its description."""
    with _client(arguments) as client:
        voice = client.create_voice(
            arguments.name,
            arguments.source,
            language=arguments.language,
            description=arguments.description,
            replace=arguments.replace,
        )
    _print(voice, as_json=arguments.json)


def delete_voice(arguments: DeleteVoiceArguments) -> None:
    """Delete a stored voice."""
    with _client(arguments) as client:
        client.delete_voice(arguments.name)
    if arguments.json:
        print(json.dumps({"deleted": arguments.name}))
    else:
        print(f"deleted {arguments.name}", file=sys.stderr)


def _client(arguments: CommonArguments) -> Client:
    return Client(arguments.server, timeout=arguments.timeout, **arguments.connection())


def _line(voice: Voice, width: int) -> str:
    """Format a row: name, language, description."""
    mark = "(default)" if voice.is_default else ""
    rest = "  ".join(part for part in (voice.language, voice.description, mark) if part)
    return f"{voice.name:{width}}  {rest}".rstrip()


def _print(voice: Voice, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(voice), ensure_ascii=False))
        return
    origin = "created, can be deleted" if voice.stored else "checkpoint"
    print(f"name         {voice.name}{' (default)' if voice.is_default else ''}")
    print(f"language     {voice.language or 'unknown'}")
    print(f"description  {voice.description or 'none'}")
    print(f"origin       {origin}")
