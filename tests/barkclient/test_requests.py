"""Requests that the client builds, and values that it refuses, without a server."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from barkclient import HistoryPrompt, InvalidRequest, Voice
from barkclient.options import build_request
from barkclient.responses import ENCODINGS
from barkserve.v1 import common_pb2, speech_pb2

COARSE = np.array([[10, 11], [20, 21]])
FINE = np.concatenate([np.arange(100, 108)[:, None], np.arange(200, 208)[:, None]], axis=1)
ARRAYS = {"semantic_prompt": np.array([1, 2, 3]), "coarse_prompt": COARSE, "fine_prompt": FINE}
MESSAGE = common_pb2.HistoryPrompt(
    semantic_prompt=[1, 2, 3],
    coarse_prompt=[10, 20, 11, 21],
    fine_prompt=[*range(100, 108), *range(200, 208)],
)


def test_voice_is_sent_by_name() -> None:
    assert build_request("Hi", voice="v2/en_speaker_6").voice.name == "v2/en_speaker_6"
    assert build_request("Hi", voice=Voice("announcer", True)).voice.name == "announcer"


@pytest.mark.parametrize("kind", [str, Path])
def test_voice_file_is_sent_unchanged(tmp_path: Path, kind: type[Any]) -> None:
    path = tmp_path / "mine.npz"
    HistoryPrompt(**ARRAYS).save(path)
    assert build_request("Hi", voice=kind(path)).voice.npz == path.read_bytes()


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16])
def test_codes_are_sent_frame_by_frame(dtype: type[np.integer[Any]]) -> None:
    arrays = {name: array.astype(dtype) for name, array in ARRAYS.items()}
    assert build_request("Hi", voice=arrays).voice.history_prompt == MESSAGE
    assert build_request("Hi", voice=HistoryPrompt(**arrays)).voice.history_prompt == MESSAGE


def test_saved_voice_has_given_path_and_sunos_array_names(tmp_path: Path) -> None:
    path = tmp_path / "voice.kept"
    HistoryPrompt(**ARRAYS).save(path)
    with np.load(path) as saved:
        assert {name: saved[name].tolist() for name in saved} == {
            name: array.tolist() for name, array in ARRAYS.items()
        }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fine_prompt": np.arange(8)}, "fine_prompt: must be integers in 2-D, not int64 in 1-D"),
        ({"semantic_prompt": np.zeros(3)}, "semantic_prompt: must be integers in 1-D"),
        ({"coarse_prompt": FINE}, "coarse_prompt: must have 2 rows, not 8"),
        ({"coarse_prompt": COARSE + 2**40}, "cannot be encoded"),
    ],
)
def test_wrong_arrays_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        build_request("Hi", voice=ARRAYS | change)


def test_missing_array_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="coarse_prompt: is missing") as raised:
        build_request("Hi", voice={"semantic_prompt": [1, 2]})
    assert raised.value.violations[0].field == "voice.history_prompt.coarse_prompt"


def test_missing_voice_file_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"cannot read nowhere\.npz: No such file"):
        build_request("Hi", voice="nowhere.npz")


@pytest.mark.parametrize(
    "options", [{"delivery": "fast"}, {"encoding": "mp4"}, {"seed": 2**63}], ids=str
)
def test_unknown_values_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        build_request("Hi", **options)


def test_every_encoding_of_the_proto_has_a_name() -> None:
    assert set(ENCODINGS) == set(speech_pb2.AudioEncoding.values()) - {0}


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        build_request("\udcff")
