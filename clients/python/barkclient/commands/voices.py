"""`barkclient voices`: the names that `say --voice` takes."""

import json
import sys
from dataclasses import asdict

from barkclient.client import Client
from barkclient.commands.arguments import VoicesArguments


def voices(arguments: VoicesArguments) -> None:
    """Prints the voices, the default one marked."""
    with Client(arguments.server, timeout=arguments.timeout) as client:
        known = client.voices()
    if arguments.json:
        print(json.dumps({"voices": [asdict(voice) for voice in known]}))
        return
    for voice in known:
        print(f"{voice.name} (default)" if voice.is_default else voice.name)
    if not known:
        print("the server names no voices: give one as --voice FILE.npz", file=sys.stderr)
