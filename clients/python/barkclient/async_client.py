"""The asynchronous client: one gRPC channel; a synthesis is an async iterator of audio chunks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from copy import copy
from typing import Self, TypeVar, Unpack

import grpc

from barkclient._internal.channel import (
    DEFAULT_TARGET,
    checked_target,
    open_async_channel,
)
from barkclient._internal.closing import AsyncClosing
from barkclient._internal.option_checks import check_types
from barkclient._internal.option_help import documents_options
from barkclient._internal.reading import next_async_response
from barkclient._internal.reconnection import DEFAULT_RECONNECT_S, Reconnection
from barkclient._internal.response_stream import AsyncResponseStream
from barkclient._internal.server_status import keep_server_status
from barkclient._internal.text_source import AsyncTextSource
from barkclient._internal.token import Token, check_token, with_token
from barkclient._internal.transcript import Calls, Response, SynthesisState
from barkclient.async_speech import AsyncSpeechStream
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
SynthesisCall = AsyncResponseStream[Response]


class AsyncClient:
    """A client of one server. It belongs to the event loop of its first call.

    Args:
        target: HOST:PORT of the orchestrator, or any name that gRPC can resolve.
        timeout: seconds for each call, unless the call sets its own; None: no limit.
        tls: certificates; None: plaintext. The files are read at the first call. Create a new
            client when a certificate has been renewed.
        token: sent with each call, for servers that authenticate; or a function that returns it,
            called before each call, for tokens that expire. It must not block.
        insecure: whether the token may be sent in plaintext to another machine.
        reconnect_s: seconds for which a speech whose connection broke tries to continue without
            loss, over a new connection; 0: it fails at once.
        retries: how often a speech is repeated after another RetryableError: the server is full,
            or cannot be reached. 0: never.
        spread: whether the calls take turns on all addresses of the target; by default all go to
            the first one that answers.
        grpc_proxy: whether calls to other machines use the HTTP proxy that the environment names in
            grpc_proxy, https_proxy or http_proxy, except for hosts in no_proxy; "off": they do not.

    Raises:
        InvalidRequest: the address or the token cannot be used, or the token would be sent in
            plaintext.
    """

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
        self._spread = spread
        self._tls = tls
        self._token = token
        self._address = self._request_id = ""
        self._target = checked_target(target)
        check_token(token, target, tls, insecure=insecure)
        self._timeout = timeout
        self._grpc_proxy = grpc_proxy
        self._server = described(target, grpc_proxy)
        self._channel: grpc.aio.Channel | None = None

    def with_token(self, token: str | None, *, address: str = "", request_id: str = "") -> Self:
        """Return a client that speaks for another caller over the same connection.

        Only this client closes the connection.

        Args:
            token: the token of that caller; None sends none.
            address: the IP address of that caller, for a server that trusts this client to tell it
                (X-Forwarded-For); empty sends none.
            request_id: the id that the server's log shows for calls without one; empty sends none.

        Raises:
            InvalidRequest: the token has characters that cannot be sent.
        """
        check_token(token, self._target, self._tls, insecure=True)
        self._open()
        other = copy(self)
        other._token = token
        other._address = address
        other._request_id = request_id
        return other

    @documents_options(SynthesisOptions)
    def synthesize(
        self, text: str, *, timeout: float | None = None, **options: Unpack[SynthesisOptions]
    ) -> "AsyncSynthesis":
        """Speak a text. The request is sent at once.

        Args:
            text: what to say, of any length.
            timeout: seconds until the last chunk; None: the client's timeout.
            options: see below, and SynthesisOptions.

        Returns:
            An async iterator of audio chunks.

        Raises:
            InvalidRequest: an option is wrong.
        """
        request, synthesize = build_request(text, **options), self._stub().Synthesize
        calls: Calls[SynthesisCall] = Calls(
            lambda resume, left: synthesize(resumed_request(request, resume), timeout=left),
            self._reconnection(timeout),
        )
        return AsyncSynthesis(calls, self, self._server)

    @documents_options(StreamOptions, SynthesisOptions)
    def synthesize_stream(
        self,
        texts: AsyncIterable[str | bytes],
        *,
        timeout: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> "AsyncSynthesis":
        """Speak text while it is being written.

        Args:
            texts: parts of the text, cut anywhere; bytes are UTF-8. What it raises is raised to the
                reader of the audio.
            timeout: seconds until the last chunk; None: the client's timeout.
            options: see below, and StreamOptions.

        Returns:
            An async iterator of audio chunks.

        Raises:
            InvalidRequest: an option is wrong.
        """
        source = AsyncTextSource(build_config(**options), texts)
        speak = self._stub().StreamingSynthesize
        calls: Calls[SynthesisCall] = Calls(
            lambda resume, left: speak(source.requests(resume), timeout=left),
            self._reconnection(timeout),
        )
        return AsyncSynthesis(calls, self, self._server, source=source)

    def stream(self, *, timeout: float | None = None) -> AsyncSpeechStream:
        """Start a call for several contexts, with flush and cancel. Its `speak` opens a context."""
        method = self._stub().StreamingSynthesize
        return AsyncSpeechStream(method, self._reconnection(timeout), self._server, self)

    async def relay(
        self, requests: AsyncIterator[speech_pb2.StreamingSynthesizeRequest]
    ) -> AsyncGenerator[speech_pb2.StreamingSynthesizeResponse, None]:
        """Pass the messages of one StreamingSynthesize call on, for bridges to other protocols.

        Closing the generator cancels the call.
        """
        call = self._stub().StreamingSynthesize(requests)
        try:
            with map_errors(self._server):
                async for response in call:
                    yield response
        finally:
            call.cancel()

    async def voices(self, language: str = "", *, timeout: float | None = None) -> list[Voice]:  # noqa: ASYNC109
        """List the named voices in alphabetical order, of one language if it is given."""
        check_types({"language": language}, {"language": str})
        request = speech_pb2.ListVoicesRequest(language_code=language)
        response = await self._ask(self._stub().ListVoices, request, timeout)
        return [decode_voice(voice) for voice in response.voices]

    async def get_voice(self, name: str, *, timeout: float | None = None) -> Voice:  # noqa: ASYNC109
        """Describe one voice.

        Raises:
            VoiceNotFound: the server has no such voice.
        """
        check_types({"name": name}, {"name": str})
        request = speech_pb2.GetVoiceRequest(name=name)
        return decode_voice((await self._ask(self._stub().GetVoice, request, timeout)).voice)

    async def get_voice_tokens(self, name: str, *, timeout: float | None = None) -> HistoryPrompt:  # noqa: ASYNC109
        """Download the tokens of one voice.

        Raises:
            VoiceNotFound: the server has no such voice.
        """
        check_types({"name": name}, {"name": str})
        request = speech_pb2.GetVoiceRequest(name=name, include_history_prompt=True)
        response = await self._ask(self._stub().GetVoice, request, timeout)
        return decode_history_prompt(response.history_prompt)

    async def create_voice(
        self,
        name: str,
        source: VoiceLike,
        *,
        language: str = "",
        description: str = "",
        replace: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Voice:
        """Store a voice under a name, for all replicas of the server.

        Raises:
            VoiceExists: a voice has that name, and `replace` is not set.
            VoiceStoreFull: the store is full: delete a voice first.
            PreconditionFailed: the server has no voice store.
        """
        request = build_voice(
            name, source, language=language, description=description, replace=replace
        )
        return decode_voice((await self._ask(self._stub().CreateVoice, request, timeout)).voice)

    async def delete_voice(self, name: str, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Delete a stored voice.

        Raises:
            VoiceNotFound: the server has no such voice.
            PreconditionFailed: the voice belongs to the checkpoint.
        """
        check_types({"name": name}, {"name": str})
        request = speech_pb2.DeleteVoiceRequest(name=name)
        await self._ask(self._stub().DeleteVoice, request, timeout)

    async def server_info(self, *, timeout: float | None = None) -> ServerInfo:  # noqa: ASYNC109
        """Describe the server: version, model, formats and limits."""
        request = speech_pb2.GetServerInfoRequest()
        return decode_server_info(await self._ask(self._stub().GetServerInfo, request, timeout))

    async def close(self) -> None:
        """Cancel all calls and close the connection."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close(grace=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self._target}>"

    async def _ask(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Reply],
        request: Request,
        timeout: float | None,  # noqa: ASYNC109
    ) -> Reply:
        with map_errors(self._server):
            return await method(request, timeout=self._time(timeout))

    def _reconnection(self, timeout: float | None) -> Reconnection:
        return Reconnection(self._reconnect_s, self._time(timeout), self._retries)

    def _time(self, timeout: float | None) -> float | None:
        check_types({"timeout": timeout}, {"timeout": float | None})
        return self._timeout if timeout is None else timeout

    def _stub(self) -> "speech_pb2_grpc.SpeechServiceAsyncStub":
        channel = with_token(self._open(), self._token, self._address, self._request_id)
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        stub.StreamingSynthesize = keep_server_status(stub.StreamingSynthesize)
        return stub

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            asyncio.get_running_loop()  # without one, gRPC would silently use another loop
            self._channel = open_async_channel(
                self._target, self._tls, self._grpc_proxy, spread=self._spread
            )
        return self._channel


class AsyncSynthesis(AsyncClosing, SynthesisState):
    """A text being spoken: an async iterator of audio chunks.

    Closing or dropping it cancels the call on the server, and so does cancelling its reader's task.
    """

    def __init__(
        self,
        calls: Calls[SynthesisCall],
        client: AsyncClient,
        target: str,
        *,
        source: AsyncTextSource | None = None,
    ) -> None:
        super().__init__(target, source)
        self._calls = calls
        self._call = calls.start()
        self._responses: AsyncIterator[Response] = aiter(self._call)
        self._text = source
        self._client = client  # keeps the channel open
        self._target = target

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioChunk:
        try:
            return await self._continued_chunk()
        except BaseException:
            self._stop_text()
            raise

    async def _continued_chunk(self) -> AudioChunk:
        while True:
            try:
                return await self._next_chunk()
            except BarkClientError as error:
                await asyncio.sleep(self._delay_s(error, self._calls.reconnection))
                self._call.cancel()
                self._call = self._calls.start(self._transcript.resume())
                self._responses = aiter(self._call)

    async def _next_chunk(self) -> AudioChunk:
        reconnection = self._calls.reconnection
        while response := await next_async_response(self._responses, reconnection, self._target):
            chunk = self._transcript.push(response)
            if chunk is not None:
                return chunk
        self._transcript.end()
        raise StopAsyncIteration

    async def read(self) -> AudioChunk:
        """Read the remaining audio as one chunk."""
        return self._join([chunk async for chunk in self])

    async def aclose(self) -> None:
        """Stop speaking. A reader that is waiting gets Cancelled."""
        self._closed = True
        self._call.cancel()
        self._stop_text()

    def _stop_text(self) -> None:
        """Stop reading the text: no further call needs it."""
        if self._text is not None:
            self._text.close()

    def __del__(self) -> None:
        self._call.cancel()  # for example after `break` in a loop
