"""Hostile messages to every RPC of every service, over real gRPC.

`make test` draws the same few messages in every run. `make fuzz-rpc` draws new ones and more of
them: FUZZ_EXAMPLES is the number for each RPC.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import code_pb2
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

import barkserve.external
import barkserve.v1
from barkserve.services import GRPC_SERVICES
from barkserve.serving import orca
from barkserve.v1 import speech_pb2
from tests.fuzz.checks import check_services
from tests.fuzz.examples import fuzz_settings
from tests.fuzz.hosted import HostedServices
from tests.fuzz.wire_strategies import empty_config, large_messages, messages, plausible_messages

_SHARED = (orca.SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
"""What every service serves too. It is fuzzed on one of them."""

_LARGE_BYTES = 3 << 20
_MAX_RESPONSES = 30
# What a documented error, the client's deadline and a cancelled call end with.
_EXPECTED = {
    grpc.StatusCode[name]
    for name in (
        *("OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION"),
        *("RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED"),
    )
}
_FUZZ = fuzz_settings(few_examples=20)


@dataclass(frozen=True)
class Rpc:
    """A method, and a service that serves it."""

    service: str
    method: MethodDescriptor


@cache
def rpcs() -> tuple[Rpc, ...]:
    """Every RPC of every service."""
    for package in (barkserve.v1, barkserve.external):
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)  # registers its services
    served = [
        (entry.name, name)
        for entry in GRPC_SERVICES
        for name in (entry.full_name, *entry.extra_services)
    ]
    served += [("orchestrator", name) for name in _SHARED]
    find = descriptor_pool.Default().FindServiceByName
    return tuple(Rpc(entry, method) for entry, name in served for method in find(name).methods)


every_rpc = pytest.mark.parametrize("rpc", rpcs(), ids=lambda rpc: rpc.method.full_name)


def test_every_served_rpc_is_fuzzed(services: HostedServices) -> None:
    fuzzed = {rpc.method.containing_service.full_name for rpc in rpcs()}
    for channel in services.channels.values():
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (response,) = stub.ServerReflectionInfo(iter([request]), timeout=30)
        served = {each.name for each in response.list_services_response.service}
        assert served
        assert served <= fuzzed


@every_rpc
def test_rpc_survives_hostile_messages(
    services: HostedServices, ordinary_audio: bytes, rpc: Rpc
) -> None:
    """Each call ends with a documented status, and the services work as before.

    The messages are random ones, and large ones for each field that can hold one.
    """
    one = messages(rpc.method.input_type)
    plausible = plausible_messages(rpc.method.input_type)
    sequences = st.lists(one, max_size=5) | st.lists(plausible, max_size=8)

    @_FUZZ
    @given(
        sequences if rpc.method.client_streaming else st.lists(one, min_size=1, max_size=1),
        st.sampled_from((1, 3, _MAX_RESPONSES)),
    )
    def call(requests: list[bytes], responses: int) -> None:
        check_call(services, rpc, requests, responses)

    call()
    for message in large_messages(rpc.method.input_type, _LARGE_BYTES):
        check_call(services, rpc, [message], 3)
        if opening := empty_config(rpc.method.input_type):
            check_call(services, rpc, [opening, message], 3)
    check_services(services, ordinary_audio, rpc.method.full_name)


def check_call(services: HostedServices, rpc: Rpc, requests: list[bytes], responses: int) -> None:
    outcome = services.call(rpc.service, rpc.method, requests, responses)
    refused = grpc.StatusCode.UNIMPLEMENTED if rpc.method.name == "List" else None
    assert outcome.code in {*_EXPECTED, refused}, f"{outcome.code.name}: {outcome.details}"
    assert "metadata" not in outcome.details  # a status too large for gRPC
    if rpc.method.full_name == "barkserve.v1.SpeechService.StreamingSynthesize":
        for each in map(speech_pb2.StreamingSynthesizeResponse.FromString, outcome.responses):
            code = grpc.StatusCode[code_pb2.Code.Name(each.error.code)]
            assert code in _EXPECTED, each.error
