"""The voice store in S3, shared by two orchestrators, with a server that stops and restarts."""

import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from s3fs import S3FileSystem

from barkclient import AsyncClient, ServerUnavailable, VoiceExists, VoiceNotFound
from barkclient._internal.channel import open_async_channel
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.orchestrator.voices.blobs import open_blob_store
from barkserve.v1 import status_pb2, status_pb2_grpc
from fixtures.processes import service_process
from tests.apps.s3_server import BUCKET, S3Server, running_s3

STORE = f"s3://{BUCKET}/some/voices"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with running_s3() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        S3FileSystem.clear_instance_cache()  # instances of another test's server
        yield server


def test_s3_store_behaves_like_a_folder(s3: S3Server) -> None:
    blobs, other = open_blob_store(STORE), open_blob_store(STORE)
    assert (blobs.list().versions, blobs.read("a.npz", 100), blobs.delete("a.npz")) == (
        {},
        None,
        False,
    )
    blobs.check_writable(probe=True)
    assert blobs.create("a.npz", b"one")
    assert (other.read("a.npz", 100), other.read("a.npz", 2)) == (b"one", b"on")
    assert not other.create("a.npz", b"two")
    before = blobs.list().versions
    other.replace("a.npz", b"eno")
    assert blobs.read("a.npz", 100) == b"eno"
    assert blobs.list().versions.keys() == before.keys() == {"a.npz"}
    assert blobs.list().versions != before
    blobs.subfolder("b").create("c.npz", b"two")
    assert (set(other.list().versions), set(other.subfolder("b").list().versions)) == (
        {"a.npz"},
        {"c.npz"},
    )
    assert blobs.delete("a.npz")
    assert other.list().versions == {}


def test_concurrent_create_succeeds_once(s3: S3Server) -> None:
    begin = threading.Barrier(8)

    def create(number: int) -> bool:
        blobs = open_blob_store(STORE)  # a store of its own: only S3 decides
        begin.wait()
        return blobs.create("a.npz", bytes([number]) * 10_000)

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(create, range(8)))
    assert sum(won) == 1
    assert open_blob_store(STORE).read("a.npz", 20_000) == bytes([won.index(True)]) * 10_000


@pytest_asyncio.fixture
async def replicas(s3: S3Server, server: str) -> AsyncIterator[tuple[AsyncClient, AsyncClient]]:
    """Two orchestrators with the server's stages and one store."""
    async with open_async_channel(server, None) as channel:
        stub = status_pb2_grpc.StatusServiceStub(channel)
        status = await stub.GetStatus(status_pb2.GetStatusRequest())
    stages = [f"--{each.service}={each.address}" for each in status.replicas]
    stages = [flag for flag in stages if not flag.startswith("--orchestrator")]
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            replica = await stack.enter_async_context(
                service_process(
                    "orchestrator", bundled_checkpoint(), f"--voice-store={STORE}", *stages
                )
            )
            clients.append(await stack.enter_async_context(AsyncClient(replica.address)))
        yield clients[0], clients[1]


async def names(client: AsyncClient) -> list[str]:
    return [voice.name for voice in await client.voices()]


async def test_two_orchestrators_share_voices(replicas: tuple[AsyncClient, AsyncClient]) -> None:
    first, second = replicas
    before = await names(first)
    speech = first.synthesize("Hello there.", seed=1, keep_voice=True)
    await speech.read()
    handle = speech.finished.voice_handle
    await second.create_voice("ann", handle, description="kept by the other replica")
    assert await names(first) == sorted([*before, "ann"])
    with pytest.raises(VoiceExists):
        await first.create_voice("ann", handle)
    spoken = [await each.synthesize("I am Ann.", voice="ann", seed=2).read() for each in replicas]
    assert spoken[0].audio == spoken[1].audio
    by_handle = await second.synthesize("I am Ann.", voice=handle, seed=2).read()
    assert by_handle.audio == spoken[0].audio
    await first.delete_voice("ann")
    assert await names(second) == before
    with pytest.raises(VoiceNotFound):
        await second.synthesize("I am Ann.", voice="ann").read()


async def test_missing_store_affects_only_its_voices(
    s3: S3Server, replicas: tuple[AsyncClient, AsyncClient]
) -> None:
    first, second = replicas
    await first.create_voice("ann", "v2/slt")
    s3.stop()
    assert (await first.synthesize("Hello.", voice="v2/rms").read()).sample_count > 0
    with pytest.raises(ServerUnavailable, match="voice store s3://speech/some/voices"):
        await first.synthesize("Hello.", voice="ann").read()
    with pytest.raises(ServerUnavailable, match="voice store s3://speech/some/voices"):
        await second.create_voice("bob", "v2/slt")
    s3.restart()
    assert (await first.synthesize("Hello.", voice="ann").read()).sample_count > 0
    await second.create_voice("bob", "v2/slt")
    assert "bob" in await names(first)
