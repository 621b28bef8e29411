"""The options of checkpoints and models."""

from dataclasses import dataclass
from typing import Literal

from barkserve.errors import StartupError
from barkserve.options import option


@dataclass(frozen=True)
class CheckpointOptions:
    """Options of everything that reads a checkpoint."""

    checkpoint: str = option(
        "",
        "folder in the Hugging Face layout, or hub name such as suno/bark-small or "
        "suno/bark@REVISION; empty means the bundled bark-mini",
    )


@dataclass(frozen=True)
class ModelOptions:
    """Options of a model. `barkserve up` has the same ones and passes them to every stage."""

    device: str = option(
        "cpu", "cpu, cuda, cuda:N (NVIDIA, or AMD with a ROCm build of torch) or mps (Apple)"
    )
    dtype: str = option(
        "auto",
        "dtype of weights and activations; auto means float16 on a GPU that is fastest in it, else "
        "float32; on a CPU, bfloat16 and int8 apply to the weights of linear layers only, and int8 "
        "needs AVX-512 VNNI",
        ("auto", "float32", "float16", "bfloat16", "int8"),
    )
    attention: str = option(
        "auto",
        "auto means flash where it runs, else triton where it runs, else sdpa; flash needs CUDA, "
        "flash-attn and a 16-bit dtype; triton needs CUDA and applies to the decodes of semantic "
        "and coarse",
        ("auto", "flash", "triton", "sdpa", "eager"),
    )
    threads: int = option(0, "CPU threads of the model; 0 means PyTorch's default")
    offload_idle_seconds: float = option(
        0.0,
        "time without a stream after which a stage moves its model from the GPU to host memory, "
        "until the next stream; 0 means never",
    )


@dataclass(frozen=True)
class DeterministicOptions:
    """Options of stages whose bits can depend on other streams. `barkserve up` passes them on."""

    deterministic: str = option(
        "auto",
        "whether one seed gives the same bits alone and among other streams; on means always: a "
        "CPU then computes row by row, and fine one window at a time; auto means on in semantic "
        "and coarse if the GPU was measured and no batch of up to --slots gets over a tenth "
        "slower, else off",
        ("auto", "on", "off"),
    )


@dataclass(frozen=True)
class SlotOptions(DeterministicOptions):
    """Options of a stage with a key/value cache. `barkserve up` passes them on."""

    slots: int = option(
        0,
        "utterances in the key/value cache at once; auto means 16 on a CPU, and on a GPU as many "
        "as fit into a quarter of its free memory, up to --max-streams",
        auto=True,
    )
    drafts: str = option(
        "off",
        "whether 8-bit weights draft the next tokens of a single stream, and one pass of the model "
        "checks several; every token is still drawn from the model of --dtype; auto means on "
        "where it can run: a CPU with AVX-512 VNNI, float32, layers of 64 MiB or more, and not "
        "with --deterministic on",
        ("auto", "off"),
    )


@dataclass(frozen=True)
class StreamingOptions:
    """Options of the fine stage. `barkserve up` passes them on."""

    streaming_dtype: Literal["auto", "same"] = option(
        "auto",
        "dtype of the fine model's weights for STREAMING: auto means bfloat16 or int8 instead of "
        "float32 on a CPU with instructions for it, same means that of --dtype; EXACT always uses "
        "--dtype",
        ("auto", "same"),
    )


@dataclass(frozen=True)
class VoiceOptions:
    """Options of the default voice. `barkserve up` passes them on."""

    voice: str = option(
        "",
        "voice of requests that name none; empty means the default of the checkpoint, "
        '"none" means no voice',
    )


def check_offload(device: str, idle_seconds: float) -> None:
    """Check that a model can be offloaded from its device.

    Raises:
        StartupError: offloading is on and the device is a CPU.
    """
    if idle_seconds and not device.startswith("cuda"):
        raise StartupError(
            f"--offload-idle-seconds needs a GPU: with --device {device} the model is in host "
            "memory already. Use --device cuda, or --offload-idle-seconds 0"
        )
