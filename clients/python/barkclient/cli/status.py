"""`barkclient status`: the replicas that the orchestrator knows, and the autoscaler's decisions."""

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict

from barkclient._internal.channel import open_channel
from barkclient._internal.token import check_token, with_token
from barkclient.cli.live_screen import LiveScreen
from barkclient.cli.status_arguments import DEFAULT_AUTOSCALER, StatusArguments
from barkclient.cli.status_tables import replica_lines, scaling_lines
from barkclient.errors import BarkClientError, map_errors
from barkclient.http_proxy import described, is_loopback
from barkserve.v1 import autoscaler_pb2, autoscaler_pb2_grpc, status_pb2, status_pb2_grpc

_OPTIONAL_S = 2.0
_NO_AUTOSCALER = "No autoscaler answers: the numbers of replicas are fixed, or others scale them."


def status(arguments: StatusArguments) -> None:
    """Print tables, or one line of JSON; with --watch, again and again until Ctrl-C."""
    with _Source(arguments) as source:
        if arguments.watch is None or not (arguments.json or sys.stdout.isatty()):
            print(source.read().text(arguments.json))
            return
        with suppress(KeyboardInterrupt):  # the usual end
            _watch(source, arguments, arguments.watch)


def _watch(source: "_Source", arguments: StatusArguments, interval_s: float) -> None:
    if arguments.json:
        while True:
            print(source.read().text(True), flush=True)
            time.sleep(interval_s)
    with LiveScreen(sys.stdout) as screen:
        while True:
            head = f"{arguments.server}  {time.strftime('%H:%M:%S')}  Ctrl-C ends"
            try:
                lines = list(source.read().lines())
            except BarkClientError as error:  # it may come back
                lines = textwrap.wrap(str(error), shutil.get_terminal_size().columns)
            screen.show([head, "", *lines])
            time.sleep(interval_s)


@dataclass(frozen=True)
class _Snapshot:
    """What the services said.

    Attributes:
        replicas: what the orchestrator said; None if it was not asked.
        scaling: what the autoscaler said; None if it did not answer.
    """

    replicas: status_pb2.GetStatusResponse | None
    scaling: autoscaler_pb2.GetScalingResponse | None

    def text(self, as_json: bool) -> str:
        """The tables, or one line of JSON."""
        if not as_json:
            return "\n".join(self.lines())
        found: dict[str, Any] = {}
        for message in (self.replicas, self.scaling):
            if message is not None:
                found |= MessageToDict(message, preserving_proto_field_name=True)
        return json.dumps(found)

    def lines(self) -> Iterator[str]:
        """The tables."""
        if self.replicas is not None:
            yield from replica_lines(self.replicas.replicas)
            yield ""
        if self.scaling is None:
            yield _NO_AUTOSCALER
        else:
            yield from scaling_lines(self.scaling.services)


class _Source:
    """The connections to orchestrator and autoscaler; a context manager, which closes them.

    Args:
        arguments: which services, and how to connect to them.
    """

    def __init__(self, arguments: StatusArguments) -> None:
        self._arguments = arguments
        self._stack = ExitStack()
        self._replicas = None if arguments.scaling else self._channel(arguments.server)
        local = is_loopback(arguments.server)
        asked = arguments.scaling or local or arguments.autoscaler != DEFAULT_AUTOSCALER
        self._scaling = self._channel(arguments.autoscaler) if asked else None

    def __enter__(self) -> "_Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self) -> _Snapshot:
        """Ask both. An autoscaler that does not answer is an error with --scaling only.

        Raises:
            BarkClientError: a service does not answer.
        """
        return _Snapshot(self._read_replicas(), self._read_scaling())

    def _read_replicas(self) -> status_pb2.GetStatusResponse | None:
        if self._replicas is None:
            return None
        arguments = self._arguments
        with map_errors(described(arguments.server, arguments.grpc_proxy)):
            stub = status_pb2_grpc.StatusServiceStub(with_token(self._replicas, arguments.token))
            return stub.GetStatus(status_pb2.GetStatusRequest(), timeout=arguments.timeout)

    def _read_scaling(self) -> autoscaler_pb2.GetScalingResponse | None:
        if self._scaling is None:
            return None
        arguments, optional = self._arguments, self._replicas is not None
        timeout = min(_OPTIONAL_S, arguments.timeout or _OPTIONAL_S)
        where = described(arguments.autoscaler, arguments.grpc_proxy)
        stub = autoscaler_pb2_grpc.AutoscalerServiceStub(with_token(self._scaling, arguments.token))
        try:
            with map_errors(where, starter="barkserve autoscaler"):
                return stub.GetScaling(
                    autoscaler_pb2.GetScalingRequest(),
                    timeout=timeout if optional else arguments.timeout,
                )
        except BarkClientError:
            if optional:
                return None
            raise

    def _channel(self, target: str) -> grpc.Channel:
        arguments = self._arguments
        tls = arguments.tls_settings()
        check_token(arguments.token, target, tls, insecure=arguments.insecure)
        return self._stack.enter_context(open_channel(target, tls, arguments.grpc_proxy))
