"""Checks of the checkpoint: its configuration, and whether its weights are complete."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from barkserve.checkpoint.fetch.manifest import Manifest
from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.checkpoint.stage_tensors import PREFIXES
from barkserve.config.doctor import DoctorOptions
from barkserve.doctor.finding import Finding, collecting, ok, problem
from barkserve.doctor.machine import memory_findings

_CHECK = "weights"
_PROCESS_BYTES = 350 << 20  # torch and the interpreter, in each stage
_STAGES = 4
_FETCH = "fetch the checkpoint again"
_MAX_HEADER_BYTES = 100 << 20


def check_weights(options: DoctorOptions) -> Iterator[Finding]:
    """Check that the checkpoint is complete, and that it fits into memory."""
    found: list[Finding] = []
    with collecting(_CHECK, found):
        folder = CheckpointFolder.open(options.checkpoint or bundled_checkpoint())
    if found:
        yield from found
        return
    if folder.revision is not None:
        yield ok(_CHECK, f"{folder.name} of the hub; the stages fetch its weights when they start")
        return
    broken = list(_broken(folder.path))
    yield from broken or [ok(_CHECK, f"{folder.name} in {folder.path} is complete")]
    if options.device == "cpu" and not broken:
        weights = sum(each.stat().st_size for each in _files(folder.path))
        yield from memory_findings(weights + _STAGES * _PROCESS_BYTES)


def _broken(folder: Path) -> Iterator[Finding]:
    """Yield a problem for each file that is missing, cut or changed."""
    found: list[Finding] = []
    with collecting(_CHECK, found):
        manifest = Manifest.read(folder)
        if manifest is not None and (names := manifest.broken(folder)):
            text = f"{folder}: {', '.join(names)} missing or changed"
            found.append(problem(_CHECK, text, "run barkserve fetch again"))
        files = _files(folder)
        if not files:
            text = f"{folder} has no weights: model.safetensors or pytorch_model.bin is missing"
            found.append(problem(_CHECK, text, "give a folder with a complete checkpoint"))
        found += [finding for file in files for finding in _file_problems(file)]
        if not found and manifest is None:
            found += _missing_stages(files)
    yield from found


def _files(folder: Path) -> list[Path]:
    patterns = ("model*.safetensors", "pytorch_model*.bin")
    return sorted(file for pattern in patterns for file in folder.glob(pattern))


def _file_problems(file: Path) -> Iterator[Finding]:
    if file.suffix == ".bin":
        if not zipfile.is_zipfile(file):
            yield problem(_CHECK, f"{file} is broken (not a file of torch.save)", _FETCH)
        return
    header, start = _header(file)
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    expected, size = start + max(ends, default=0), file.stat().st_size
    if not header:
        yield problem(_CHECK, f"{file} is broken (its header cannot be read)", _FETCH)
    elif size != expected:
        yield problem(_CHECK, f"{file} has {size} bytes instead of {expected}", _FETCH)


def _missing_stages(files: list[Path]) -> Iterator[Finding]:
    """Yield a problem for each stage without a tensor, if all files are safetensors."""
    if any(file.suffix == ".bin" for file in files):
        return
    names = [name for file in files for name in _header(file)[0]]
    for stage, prefixes in PREFIXES.items():
        if not any(name.startswith(prefixes) for name in names):
            text = f"the checkpoint has no tensors {prefixes[0]}*, which the {stage} stage needs"
            yield problem(_CHECK, text, _FETCH)


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """Read the JSON header of a .safetensors file, and where its data starts; empty if broken."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        text = stream.read(min(length, _MAX_HEADER_BYTES))
    try:
        header = json.loads(text)
    except ValueError:
        return {}, 0
    return (header if isinstance(header, dict) else {}), 8 + length
