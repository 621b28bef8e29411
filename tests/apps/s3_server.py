"""A server that speaks S3's protocol, on this machine, and may go away and come back with what it
holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "speech"


class S3Server:
    """Answers while it is up; `url` stays the same."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def leave(self) -> None:
        self._server.stop()

    def come_back(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """A server with one empty bucket; its clients find it by the environment's AWS_ENDPOINT_URL."""
    server = S3Server()
    try:
        boto3.client("s3", endpoint_url=server.url).create_bucket(Bucket=BUCKET)
        yield server
    finally:
        server.leave()
