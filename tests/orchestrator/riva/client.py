"""NVIDIA's own client in a process of its own, for its generated code and ours describe the same
messages and cannot share one. It sends the metadata that NVIDIA's cloud asks for, as plugins do.

Run as a script: ADDRESS, then a JSON list of [method, arguments]; prints a JSON list of outcomes.
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
    """What came of one call: chunks of audio and the other fields of each response, or an error."""

    audio: list[bytes]
    responses: list[dict[str, Any]]
    error: str  # the name of a gRPC status, "" if the call went well
    details: str


async def call(address: str, *calls: tuple[str, dict[str, Any]]) -> list[Outcome]:
    """Calls of riva.client.SpeechSynthesisService: synthesize, synthesize_online; or config."""
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

    def answers(method: str, arguments: dict[str, Any]) -> list[Any]:
        if method == "config":
            return [
                service.stub.GetRivaSynthesisConfig(
                    riva_tts_pb2.RivaSynthesisConfigRequest(**arguments)
                )
            ]
        answer = getattr(service, method)(**arguments)
        return [answer] if method == "synthesize" else list(answer)

    outcomes = [_outcome(answers, *each) for each in json.loads(sys.argv[2])]
    print(json.dumps(outcomes), flush=True)


def _outcome(answers: Any, method: str, arguments: dict[str, Any]) -> tuple[Any, ...]:
    import grpc
    from google.protobuf.json_format import MessageToDict

    try:
        responses = answers(method, arguments)
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
    os._exit(0)  # the interpreter's end may abort what gRPC's threads still do
