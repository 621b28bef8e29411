"""Hostile input for every HTTP route and WebSocket of the gateway, and for its Wyoming port.

As in test_rpcs, FUZZ_EXAMPLES is the number of examples for each of them.
"""

import json
import socket
from urllib.parse import quote, urlencode, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from wyoming.event import Event, read_event

from tests.fuzz.checks import check_services
from tests.fuzz.examples import fuzz_settings
from tests.fuzz.hosted import HostedServices
from tests.fuzz.http_calls import Answer, call, check_answer
from tests.fuzz.json_strategies import encoded, objects

TIMEOUT_S = 60
FUZZ = fuzz_settings(few_examples=2)
METHODS = ("POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
BODY = {
    "input": "Hi.",
    "text": "Hi.",
    "model": "tts-1",
    "voice": "v2/slt",
    "response_format": "pcm",
    "stream_format": "sse",
    "speed": 1.0,
    "instructions": "Whisper.",
    "seed": 7,
    "language": "en",
    "language_code": "en",
    "delivery": "exact",
    "sample_rate": 8000,
    "voice_settings": {},
}
WEBSOCKETS = (
    "/v1/stream",
    "/v1/text-to-speech/{voice}/stream-input",
    "/v1/text-to-speech/{voice}/multi-stream-input",
)
MESSAGE = {
    "context_id": "a",
    "config": {"options": {"seed": 7, "voice": {"name": "v2/slt"}, "word_times": True}},
    "text": "Hi.",
    "flush": {"flush_id": "f"},
    "end": {},
    "cancel": {},
    "close_context": True,
    "close_socket": True,
    "voice_settings": {},
}
LAST_MESSAGES = {
    WEBSOCKETS[0]: "",
    WEBSOCKETS[1]: '{"text": ""}',
    WEBSOCKETS[2]: '{"close_socket": true}',
}
NO_SUCH_WEBSOCKET = 403
CLOSE_CODES = (1000, 1008, 1009, 1011, 1013)
WYOMING_DATA = {
    "text": "Hi.",
    "voice": {"name": "v2/slt"},
    "text_format": "text",
    "seed": 7,
    "context": {},
    "name": "barkserve",
}
WYOMING_TYPES = (
    *("describe", "ping", "synthesize", "synthesize-start", "synthesize-chunk"),
    *("synthesize-stop", "select-program", "audio-chunk"),
)
WYOMING_ANSWERS = (
    *("info", "pong", "error", "audio-start", "audio-chunk", "audio-stop", "synthesize-stopped"),
)

words = st.text(max_size=12) | st.sampled_from(("none", "v2/slt", "..", "/", "%", "\0", "a" * 3000))
paths = words.map(lambda word: quote(word, safe="/"))
header_names = (
    *("authorization", "xi-api-key", "x-request-id", "origin", "accept", "content-type"),
    *("sec-websocket-protocol", "cookie"),
)
header_text = st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")
headers = st.dictionaries(
    st.sampled_from(header_names),
    st.sampled_from(("application/json", "Bearer none", "bearer.YQ", "text/plain"))
    | st.text(header_text, max_size=30).map(str.strip),
    max_size=2,
)
tokens = st.sampled_from(({}, {"xi-api-key": "a b"}, {"authorization": "Bearer none"}))
queries = st.dictionaries(
    st.sampled_from(("output_format", "seed", "language_code", "unknown")),
    st.sampled_from(("pcm_24000", "mp3_44100_128", "opus_1", "wav_99999", "7", "9" * 30)) | words,
    max_size=2,
).map(urlencode)


def test_routes_survive_hostile_requests(services: HostedServices, ordinary_audio: bytes) -> None:
    description = json.loads(call(services.http, "GET", "/openapi.json").body)
    for route in (*description["paths"], "/openapi.json", "/", "/{file}", "/v1/{path}"):

        @FUZZ
        @given(
            st.just("POST") | st.sampled_from(METHODS),
            paths,
            queries,
            headers,
            encoded(objects(BODY)),
        )
        def request(
            method: str, word: str, query: str, headers: dict[str, str], body: bytes
        ) -> None:
            path = filled(route, word)  # noqa: B023
            sent = {"content-type": "application/json", **headers}
            answer = call(services.http, method, f"{path}?{query}", sent, body)
            check_answer(method, path, answer)

        request()
    check_services(services, ordinary_audio, "HTTP")


def filled(route: str, word: str) -> str:
    """A route with a word in place of its parameter."""
    before, brace, rest = route.partition("{")
    return before + word + rest.partition("}")[2] if brace else route


def test_websockets_survive_hostile_messages(
    services: HostedServices, ordinary_audio: bytes
) -> None:
    for route in WEBSOCKETS:

        @FUZZ
        @given(
            paths,
            queries,
            tokens,
            st.lists(encoded(objects(MESSAGE)), max_size=5),
            st.booleans(),
        )
        def converse(
            word: str, query: str, token: dict[str, str], messages: list[bytes], binary: bool
        ) -> None:
            url = f"{services.http.replace('http', 'ws', 1)}{filled(route, word)}?{query}"  # noqa: B023
            last = LAST_MESSAGES[route]  # noqa: B023
            texts = [each if binary else each.decode(errors="replace") for each in messages]
            check_websocket(url, token, [*texts, last])

        converse()
    check_services(services, ordinary_audio, "WebSocket")


def check_websocket(url: str, token: dict[str, str], messages: list[str | bytes]) -> None:
    """Send messages until the server closes the WebSocket with a documented code."""
    try:
        code = close_code(url, token, messages)
    except InvalidStatus as refused:
        answer = Answer(refused.response.status_code, refused.response.body)
        if answer.status != NO_SUCH_WEBSOCKET:
            check_answer("GET", urlsplit(url).path, answer)
    else:
        assert code in CLOSE_CODES


def close_code(url: str, token: dict[str, str], messages: list[str | bytes]) -> int | None:
    with connect(url, proxy=None, open_timeout=TIMEOUT_S, additional_headers=token) as websocket:
        try:
            for message in messages:
                websocket.send(message)
            while True:
                websocket.recv(timeout=TIMEOUT_S)
        except ConnectionClosed as closed:
            return closed.rcvd and closed.rcvd.code


def test_wyoming_survives_hostile_events(services: HostedServices, ordinary_audio: bytes) -> None:
    events = st.tuples(st.sampled_from(WYOMING_TYPES), encoded(objects(WYOMING_DATA)))

    @FUZZ
    @given(st.lists(events.map(event_bytes) | st.binary(max_size=100), max_size=6))
    def send(parts: list[bytes]) -> None:
        for answer in answers(services.wyoming, parts):
            assert answer.type in WYOMING_ANSWERS
            if answer.type == "error":
                assert answer.data["text"]
                assert answer.data["code"] != "server_error"

    send()
    check_services(services, ordinary_audio, "Wyoming")


def event_bytes(event: tuple[str, bytes]) -> bytes:
    kind, data = event
    return json.dumps({"type": kind, "data_length": len(data)}).encode() + b"\n" + data


def answers(url: str, parts: list[bytes]) -> list[Event]:
    """Send bytes, then something else, and read until the server closes."""
    host, _, port = url.removeprefix("tcp://").partition(":")
    with socket.create_connection((host, int(port)), TIMEOUT_S) as peer:
        peer.sendall(b"".join(parts) + b"\nnot an event\n" * 2)
        with peer.makefile("rb") as file:
            found = []
            while event := read_event(file):
                found.append(event)
            return found
