"""The two configurations of a checkpoint.

An input is lines such as `generation.semantic_config.top_k 50`: values that replace those of the
bundled model.
"""

import copy
import json
from functools import cache
from typing import Any

from barkserve.checkpoint.bark_config_json import parse_bark_config
from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.errors import CheckpointError
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.voices.npz import TokenRanges

_HOSTILE = ("null", "-1", "0", "1e999", "NaN", "true", '"x"', "[]", "{}", "1e-320", "1" * 400)


def fuzz(data: bytes) -> None:
    """Check that a configuration is consistent, or a broken checkpoint."""
    files = copy.deepcopy(_files())
    for line in data.decode(errors="ignore").splitlines():
        path, _, value = line.partition(" ")
        try:
            _replace(files, path.split("."), json.loads(value))
        except (ValueError, RecursionError):
            continue  # read_json_object reports it
    if not all(isinstance(file, dict) for file in files.values()):
        return
    try:
        config = parse_bark_config(files["config"], files["generation"])
    except CheckpointError as error:
        str(error).encode()
        return
    TokenRanges.from_config(config)
    assert Budget.from_config(config, letters_only=False).limit > 0


def seeds() -> list[bytes]:
    """Each value of the bundled model, as it is and with hostile values."""
    lines = list(_lines("", _files()))
    hostile = [f"{line.partition(' ')[0]} {value}".encode() for line in lines for value in _HOSTILE]
    return ["\n".join(lines).encode(), *hostile]


def _lines(path: str, value: Any) -> list[str]:
    own = [f"{path} {json.dumps(value)}"] if path else []
    if not isinstance(value, dict):
        return own
    inner = [
        line
        for key, each in value.items()
        for line in _lines(f"{path}.{key}" if path else key, each)
    ]
    return inner if len(own) and len(own[0]) > 200 else inner + own


def _replace(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Replace the value at a path, if everything on the path is an object."""
    for key in path[:-1]:
        inner = values.get(key)
        if not isinstance(inner, dict):
            return
        values = inner
    values[path[-1]] = value


@cache
def _files() -> dict[str, Any]:
    folder = CheckpointFolder.open(bundled_checkpoint())
    return {"config": folder.config, "generation": folder.generation}
