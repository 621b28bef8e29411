"""Runs NVIDIA's own client in a separate process.

Its generated code describes the same messages as ours, and one process cannot load both. It sends
the metadata that NVIDIA's cloud requires, as plugins do.

Run as a script with an address and a JSON list of [method, arguments]. It prints a JSON list of
outcomes.
"""

import asyncio
import base64
import json
import os
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The result of one call: audio chunks and the other fields of each response, or an error."""

    audio: list[bytes]
    responses: list[dict[str, Any]]
    error: str  # the name of a gRPC status, "" if the call succeeded
    details: str


async def call(address: str, *calls: tuple[str, dict[str, Any]]) -> list[Outcome]:
    """Call synthesize or synthesize_online of riva.client.SpeechSynthesisService, or config."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, address, json.dumps(calls), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return [
        Outcome([base64.b64decode(each) for each in audio], responses, error, details)
        for audio, responses, error, details in json.loads(printed)
    ]


def _main() -> None:
    import riva.client
    from riva.client.proto import riva_tts_pb2

    metadata = [["function-id", "of-the-cloud"], ["authorization", "Bearer of-the-cloud"]]
    auth = riva.client.Auth(uri=sys.argv[1], use_ssl=False, metadata_args=metadata)
    service = riva.client.SpeechSynthesisService(auth)

    def responses_of(method: str, arguments: dict[str, Any]) -> list[Any]:
        if method == "config":
            return [
                service.stub.GetRivaSynthesisConfig(
                    riva_tts_pb2.RivaSynthesisConfigRequest(**arguments)
                )
            ]
        response = getattr(service, method)(**arguments)
        return [response] if method == "synthesize" else list(response)

    outcomes = [_outcome(responses_of, *each) for each in json.loads(sys.argv[2])]
    print(json.dumps(outcomes), flush=True)


def _outcome(responses_of: Any, method: str, arguments: dict[str, Any]) -> tuple[Any, ...]:
    import grpc
    from google.protobuf.json_format import MessageToDict

    try:
        responses = responses_of(method, arguments)
    except grpc.RpcError as error:
        return [], [], error.code().name, error.details()
    audio = [base64.b64encode(each.audio).decode() for each in responses if method != "config"]
    for each in responses:
        if method != "config":
            each.audio = b""
    return (
        audio,
        [MessageToDict(each, preserving_proto_field_name=True) for each in responses],
        "",
        "",
    )


if __name__ == "__main__":
    _main()
    os._exit(0)  # a normal exit may abort while gRPC's threads still run
