"""Fuzz parsers with atheris, guided by the coverage of our code.

    python -m tools.fuzz --seconds 60 text npz

Each target runs in a process of its own. Inputs that reach new code are kept in the corpus below
`--out`, where the next run begins. An input that fails is kept in `--out` too, and the command that
repeats it is printed. Exit code 1 means that a target failed.
"""

import argparse
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from tools.fuzz.target import Target, load, names

_INSTRUMENTED = ["barkserve", "barkclient", "tools.fuzz.targets"]
_INPUT_TIMEOUT_S = 20
_MAX_BYTES = 16384
_MEMORY_MIB = 4096


def main() -> int:
    """Fuzz the targets one after the other; return the exit code."""
    arguments = _parse()
    if arguments.input is not None:
        load(arguments.targets[0]).fuzz(arguments.input.read_bytes())
        return 0
    if arguments.here:
        return _fuzz_here(arguments.targets[0], arguments.seconds, arguments.out)
    failed = [each for each in arguments.targets or names() if not _passes(each, arguments)]
    print("failed: " + ", ".join(failed) if failed else "no target failed")
    return 1 if failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument("targets", nargs="*", choices=[[], *names()], help="default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--input", type=Path, help="run one target on this file, without atheris")
    parser.add_argument("--here", action="store_true", help="run one target in this process")
    return parser.parse_args()


def _passes(name: str, arguments: argparse.Namespace) -> bool:
    """Fuzz a target in a process of its own, which libFuzzer ends."""
    print(f"{name}: {arguments.seconds} s", flush=True)
    before = _failures(name, arguments.out)
    options = ["--here", f"--seconds={arguments.seconds}", f"--out={arguments.out}"]
    done = subprocess.run([sys.executable, "-m", "tools.fuzz", *options, name])
    for file in sorted(_failures(name, arguments.out) - before):
        print(f"{name} failed: {sys.executable} -m tools.fuzz {name} --input {file}", flush=True)
    return done.returncode == 0


def _failures(name: str, out: Path) -> set[Path]:
    return set(out.glob(f"{name}-*"))


def _fuzz_here(name: str, seconds: int, out: Path) -> int:
    """Hand this process to libFuzzer."""
    import atheris  # only `make fuzz` installs it

    with atheris.instrument_imports(include=_INSTRUMENTED):
        target = load(name)
    corpus = _write_corpus(name, target, out)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={out}/{name}-"]
    options += [f"-timeout={_INPUT_TIMEOUT_S}", f"-rss_limit_mb={_MEMORY_MIB}"]
    # Without keep_seed libFuzzer drops seeds that reach no new code of ours, such as other files.
    options += [f"-max_len={_MAX_BYTES}", "-keep_seed=1", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.fuzz)
    atheris.Fuzz()
    return 0


def _write_corpus(name: str, target: Target, out: Path) -> Path:
    """Write the seeds next to the inputs that earlier runs kept."""
    folder = out / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        if len(seed) > _MAX_BYTES:
            raise ValueError(f"a seed of {name} has {len(seed)} bytes, more than {_MAX_BYTES}")
        (folder / sha256(seed).hexdigest()[:40]).write_bytes(seed)
    return folder


if __name__ == "__main__":
    sys.exit(main())
