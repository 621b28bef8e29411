"""Faults of the voice store."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from barkclient import AsyncClient, BarkClientError, ServerError
from tools.chaos.scene import Scene

_BLOCK = b"x" * 4096


@asynccontextmanager
async def full_disk(scene: Scene) -> AsyncIterator[None]:
    """Fill the disk of the voice store, create voices, and free it again."""
    filler = scene.store / ".filler"
    async with AsyncClient(scene.cluster.target()) as client:
        source = (await client.voices())[0].name
        _fill(scene)
        try:
            refused = await _why_refused(client, source)
            scene.expect(refused is not None, "a voice was created on a full disk")
            yield
        finally:
            filler.unlink()
        scene.expect(
            refused is None or type(refused) is not ServerError,
            f"a full disk is reported as an unknown failure: {refused}",
        )
        created = await _why_refused(client, source)
        scene.expect(created is None, f"no voice can be created after the fault: {created}")
        names = [voice.name for voice in await client.voices()]
        scene.expect(names.count("chaos") == 1, "the created voice is not listed once")
        await client.delete_voice("chaos")
        scene.notes.append(f"voice refused with {type(refused).__name__}")


async def _why_refused(client: AsyncClient, source: str) -> BarkClientError | None:
    try:
        await client.create_voice("chaos", source)
    except BarkClientError as error:
        return error
    return None


def _fill(scene: Scene) -> None:
    with (scene.store / ".filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(_BLOCK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
