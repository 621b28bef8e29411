"""The blocking client: the methods of `async_client` for code without an event loop."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar, Unpack

import grpc

from barkclient._internal.channel import DEFAULT_TARGET, open_channel
from barkclient._internal.closing import Closing
from barkclient._internal.option_checks import check_types
from barkclient._internal.option_help import documents_options
from barkclient._internal.reading import next_response
from barkclient._internal.reconnection import DEFAULT_RECONNECT_S, Reconnection
from barkclient._internal.response_stream import ResponseStream
from barkclient._internal.text_source import TextSource
from barkclient._internal.token import Token, check_token, with_token
from barkclient._internal.transcript import Calls, Response, SynthesisState
from barkclient.errors import BarkClientError, map_errors
from barkclient.http_proxy import ProxyUse, described
from barkclient.options import (
    StreamOptions,
    SynthesisOptions,
    build_config,
    build_request,
    resumed_request,
)
from barkclient.responses import AudioChunk
from barkclient.server_info import ServerInfo, decode_server_info
from barkclient.speech import SpeechStream
from barkclient.tls import Tls
from barkclient.voices import (
    HistoryPrompt,
    Voice,
    VoiceLike,
    build_voice,
    decode_history_prompt,
    decode_voice,
)
from barkserve.v1 import speech_pb2, speech_pb2_grpc

Request = TypeVar("Request")
Reply = TypeVar("Reply")
SynthesisCall = ResponseStream[Response]


class Client(Closing):
    """A client of one server. Arguments and errors are those of AsyncClient."""

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout: float | None = None,
        tls: Tls | None = None,
        token: Token | None = None,
        insecure: bool = False,
        reconnect_s: float = DEFAULT_RECONNECT_S,
        retries: int = 0,
        spread: bool = False,
        grpc_proxy: ProxyUse = "environment",
    ) -> None:
        check_types(
            {
                "target": target,
                "timeout": timeout,
                "reconnect_s": reconnect_s,
                "retries": retries,
                "spread": spread,
                "grpc_proxy": grpc_proxy,
            },
            {
                "target": str,
                "timeout": float | None,
                "reconnect_s": float,
                "retries": int,
                "spread": bool,
                "grpc_proxy": ProxyUse,
            },
        )
        self._reconnect_s = reconnect_s
        self._retries = retries
        self._target = target
        self._server = described(target, grpc_proxy)
        self._timeout = timeout
        self._channel = open_channel(target, tls, grpc_proxy, spread=spread)
        check_token(token, target, tls, insecure=insecure)
        self._stub = speech_pb2_grpc.SpeechServiceStub(with_token(self._channel, token))

    @documents_options(SynthesisOptions)
    def synthesize(
        self, text: str, *, timeout: float | None = None, **options: Unpack[SynthesisOptions]
    ) -> "Synthesis":
        """Speak a text; see AsyncClient.synthesize. Returns an iterator of audio chunks."""
        request, synthesize = build_request(text, **options), self._stub.Synthesize
        calls: Calls[SynthesisCall] = Calls(
            lambda resume, left: synthesize(resumed_request(request, resume), timeout=left),
            self._reconnection(timeout),
        )
        return Synthesis(calls, self, self._server)

    @documents_options(StreamOptions, SynthesisOptions)
    def synthesize_stream(
        self,
        texts: Iterable[str | bytes],
        *,
        timeout: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> "Synthesis":
        """Speak text while it is being written; see AsyncClient.synthesize_stream.

        A thread of gRPC iterates over `texts`.
        """
        source = TextSource(build_config(**options), texts)
        speak = self._stub.StreamingSynthesize
        calls: Calls[SynthesisCall] = Calls(
            lambda resume, left: speak(source.requests(resume), timeout=left),
            self._reconnection(timeout),
        )
        return Synthesis(calls, self, self._server, source=source)

    def stream(self, *, timeout: float | None = None) -> SpeechStream:
        """Start a call for several contexts, with flush and cancel. Its `speak` opens a context."""
        method = self._stub.StreamingSynthesize
        return SpeechStream(method, self._reconnection(timeout), self._server, self)

    def voices(self, language: str = "", *, timeout: float | None = None) -> list[Voice]:
        """List the named voices in alphabetical order, of one language if it is given."""
        check_types({"language": language}, {"language": str})
        request = speech_pb2.ListVoicesRequest(language_code=language)
        response = self._ask(self._stub.ListVoices, request, timeout)
        return [decode_voice(voice) for voice in response.voices]

    def get_voice(self, name: str, *, timeout: float | None = None) -> Voice:
        """Describe one voice.

        Raises:
            VoiceNotFound: the server has no such voice.
        """
        check_types({"name": name}, {"name": str})
        request = speech_pb2.GetVoiceRequest(name=name)
        return decode_voice(self._ask(self._stub.GetVoice, request, timeout).voice)

    def get_voice_tokens(self, name: str, *, timeout: float | None = None) -> HistoryPrompt:
        """Download the tokens of one voice.

        Raises:
            VoiceNotFound: the server has no such voice.
        """
        check_types({"name": name}, {"name": str})
        request = speech_pb2.GetVoiceRequest(name=name, include_history_prompt=True)
        response = self._ask(self._stub.GetVoice, request, timeout)
        return decode_history_prompt(response.history_prompt)

    def create_voice(
        self,
        name: str,
        source: VoiceLike,
        *,
        language: str = "",
        description: str = "",
        replace: bool = False,
        timeout: float | None = None,
    ) -> Voice:
        """Store a voice under a name; errors are those of AsyncClient.create_voice."""
        request = build_voice(
            name, source, language=language, description=description, replace=replace
        )
        return decode_voice(self._ask(self._stub.CreateVoice, request, timeout).voice)

    def delete_voice(self, name: str, *, timeout: float | None = None) -> None:
        """Delete a stored voice.

        Raises:
            VoiceNotFound: the server has no such voice.
            PreconditionFailed: the voice belongs to the checkpoint.
        """
        check_types({"name": name}, {"name": str})
        request = speech_pb2.DeleteVoiceRequest(name=name)
        self._ask(self._stub.DeleteVoice, request, timeout)

    def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Describe the server: version, model, formats and limits."""
        request = speech_pb2.GetServerInfoRequest()
        return decode_server_info(self._ask(self._stub.GetServerInfo, request, timeout))

    def close(self) -> None:
        """Cancel all calls and close the connection."""
        self._channel.close()

    def __repr__(self) -> str:
        return f"<Client of {self._target}>"

    def _ask(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Reply]",
        request: Request,
        timeout: float | None,
    ) -> Reply:
        with map_errors(self._server):
            return method(request, timeout=self._time(timeout))

    def _reconnection(self, timeout: float | None) -> Reconnection:
        return Reconnection(self._reconnect_s, self._time(timeout), self._retries)

    def _time(self, timeout: float | None) -> float | None:
        check_types({"timeout": timeout}, {"timeout": float | None})
        return self._timeout if timeout is None else timeout


class Synthesis(Closing, SynthesisState):
    """A text being spoken: an iterator of audio chunks. Closing or dropping it cancels the call."""

    def __init__(
        self,
        calls: Calls[SynthesisCall],
        client: Client,
        target: str,
        *,
        source: TextSource | None = None,
    ) -> None:
        super().__init__(target, source)
        self._calls = calls
        self._call = calls.start()
        self._client = client  # keeps the channel open
        self._target = target

    def __iter__(self) -> Iterator[AudioChunk]:
        return self

    def __next__(self) -> AudioChunk:
        while True:
            try:
                return self._next_chunk()
            except BarkClientError as error:
                time.sleep(self._delay_s(error, self._calls.reconnection))
                self._call.cancel()
                self._call = self._calls.start(self._transcript.resume())
                if self._closed:  # meanwhile, by a signal handler or another thread
                    self._call.cancel()

    def _next_chunk(self) -> AudioChunk:
        reconnection = self._calls.reconnection
        while response := next_response(self._call, reconnection, self._target):
            chunk = self._transcript.push(response)
            if chunk is not None:
                return chunk
        self._transcript.end()
        raise StopIteration

    def read(self) -> AudioChunk:
        """Read the remaining audio as one chunk."""
        return self._join(list(self))

    def close(self) -> None:
        """Stop speaking."""
        self._closed = True
        self._call.cancel()
