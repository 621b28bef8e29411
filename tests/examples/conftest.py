"""The server of `make test-clients`, a fake language model, and a folder to run programs in."""

import os
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.examples.fake_language_model import ChatCompletions
from tests.examples.workplace import Workplace, make_workplace


@pytest.fixture(scope="session")
def server() -> str:
    """The address of `barkserve up` with the bundled model."""
    if "BARKCLIENT_SERVER" not in os.environ:
        pytest.skip("needs a server: make test-clients runs it")
    return os.environ["BARKCLIENT_SERVER"]


@pytest.fixture
def workplace(tmp_path: Path, server: str) -> Workplace:
    return make_workplace(tmp_path, server)


@pytest.fixture(scope="session")
def language_model() -> Iterator[dict[str, str]]:
    """The environment variables of a server that answers as OpenAI's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), ChatCompletions) as llm:
        thread = Thread(target=llm.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{llm.server_address[1]}/v1"
        yield {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "none"}
        llm.shutdown()
        thread.join()
