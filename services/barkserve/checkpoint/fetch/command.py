"""`barkserve fetch`: copies one service's part of a checkpoint to a folder for --checkpoint.

It can be repeated: complete files are kept, others are fetched. Files are replaced atomically, and
the manifest with their checksums is written last.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from barkserve.checkpoint.fetch.manifest import Manifest, part_of, sha256
from barkserve.checkpoint.fetch.progress import ProgressLine
from barkserve.checkpoint.fetch.tensors import Progress, write_tensors
from barkserve.checkpoint.fetch.weight_files import WeightFile, hub_files, local_files
from barkserve.checkpoint.folder import MANIFEST_FILE, CheckpointFolder, bundled_checkpoint
from barkserve.checkpoint.stage_tensors import PREFIXES
from barkserve.checkpoint.voices import VoiceLibrary
from barkserve.config.fetch import FetchOptions
from barkserve.errors import CheckpointError, StartupError

TENSORS = "model.safetensors"
_CONFIGURATIONS = ("config.json", "generation_config.json")
_TOKENIZER = ("tokenizer*.json", "special_tokens_map.json", "vocab.txt")
_VOICES = "speaker_embeddings_path.json"

Write = Callable[[Path], None]


def fetch(options: FetchOptions, out: TextIO) -> None:
    """Fetch or verify a folder.

    Args:
        options: the options of the command.
        out: receives progress and result.

    Raises:
        StartupError: an option is missing, or the folder cannot be written.
        CheckpointError: the checkpoint is missing or broken.
    """
    if not options.to or not (options.stage or options.verify):
        raise StartupError("give --to FOLDER and --stage (or --verify)")
    folder = Path(options.to).expanduser()
    if options.verify:
        _verify(folder)
        print(f"{folder}: all checksums match", file=out)
        return
    source = options.checkpoint or str(bundled_checkpoint())
    name = options.checkpoint or bundled_checkpoint().name
    if _is_complete(folder, name, options.stage):
        print(f"{folder} already contains the {options.stage} part of {name}", file=out)
        return
    checkpoint, weights = _open(source, options.stage)
    files = dict(_files(checkpoint, weights, options.stage, ProgressLine(options.stage, out).show))
    _write_all(folder, files, Manifest(name, checkpoint.fingerprint, options.stage))
    print(f"{folder} contains the {options.stage} part of {name}", file=out)


def _open(source: str, stage: str) -> tuple[CheckpointFolder, list[WeightFile]]:
    """Open the checkpoint; list its safetensors files if the stage has weights in such files."""
    checkpoint = CheckpointFolder.open(source)
    if stage not in PREFIXES:
        return checkpoint, []
    if checkpoint.revision is not None:
        files = hub_files(checkpoint)
        if files:
            return checkpoint, files
        checkpoint = CheckpointFolder.open(source, weights=True)  # .bin: the whole file is fetched
    return checkpoint, local_files(checkpoint.path)


def _verify(folder: Path) -> None:
    manifest = Manifest.read(folder)
    if manifest is None:
        raise CheckpointError(
            f"{folder} has no {MANIFEST_FILE}: run barkserve fetch to complete it"
        )
    broken = manifest.broken(folder)
    if broken:
        raise CheckpointError(
            f"{folder}: {', '.join(broken)} missing or changed: run barkserve fetch again"
        )


def _is_complete(folder: Path, name: str, stage: str) -> bool:
    try:
        manifest = Manifest.read(folder)
    except CheckpointError:
        return False
    if manifest is None or (manifest.checkpoint, manifest.stage) != (name, stage):
        return False
    return not manifest.broken(folder)


def _files(
    checkpoint: CheckpointFolder, weights: list[WeightFile], stage: str, progress: Progress
) -> Iterator[tuple[str, Write]]:
    """Yield the files of the new folder with a function that writes each."""
    patterns = _CONFIGURATIONS + _TOKENIZER * (stage in ("semantic", "orchestrator"))
    for pattern in patterns:
        for path in sorted(checkpoint.path.glob(pattern)):
            yield path.name, _copier(path)
    if stage == "orchestrator":
        yield from _voices(checkpoint)
    else:
        prefixes = PREFIXES[stage]

        def write(target: Path) -> None:
            write_tensors(checkpoint.path, weights, prefixes, target, progress)

        yield TENSORS, write


def _voices(checkpoint: CheckpointFolder) -> Iterator[tuple[str, Write]]:
    if (checkpoint.path / _VOICES).exists():
        yield _VOICES, _copier(checkpoint.path / _VOICES)
    for name, path in VoiceLibrary(checkpoint).files():
        yield name, _copier(path)


def _copier(source: Path) -> Write:
    def write(target: Path) -> None:
        shutil.copyfile(source, target)

    return write


def _write_all(folder: Path, files: dict[str, Write], manifest: Manifest) -> None:
    """Write all files. The manifest is removed first and written last."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST_FILE).unlink(missing_ok=True)
        for name, write in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = part_of(path)
            try:
                write(part)
                manifest.files[name] = sha256(part)
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)
        manifest.write(folder)
    except OSError as error:
        raise StartupError(f"--to: {folder} cannot be written ({error.strerror})") from error
