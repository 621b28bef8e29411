"""The sections in the order in which they run: first what the others need, then the most telling.

Each section runs in a process of its own, so that one that hangs, crashes or runs out of memory
costs only its own results.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from barkclient.bench.results import Result
from benchmarks.gpu.settings import Settings

Measure = Callable[[Settings], Iterator[Result]]


@dataclass(frozen=True)
class Section:
    """A part of the measurements.

    Attributes:
        name: name of the section, and of its module in this package.
        limit_s: time that it may take on a GPU.
        least_s: with less time left it is not begun.
        about: what it measures.
    """

    name: str
    limit_s: float
    least_s: float
    about: str

    def measure(self, settings: Settings) -> Iterator[Result]:
        """Measure; yields each result as soon as it is known."""
        module = import_module(f"benchmarks.gpu.{self.name}")
        measure: Measure = module.measure
        return measure(settings)


SECTIONS = (
    Section("device", 40, 10, "bandwidth of the device's memory"),
    Section("checkpoint", 120, 15, "builds a random checkpoint of the shape"),
    Section("correctness", 90, 25, "tokens equal to transformers in float32; 16-bit agreement"),
    Section("steps", 90, 25, "a decode step of semantic and coarse, by streams at once"),
    Section("chain", 60, 20, "all four stages in one process"),
    Section("peer", 90, 30, "transformers: the same utterance, and a batch"),
    Section("server", 150, 50, "barkserve up: first audio, underruns, goodput, saturation"),
    Section("tune", 150, 60, "the fastest decode kernels of this card"),
)
"""Sections by name, in order."""


def section_named(name: str) -> Section:
    """Return a section."""
    return next(section for section in SECTIONS if section.name == name)
