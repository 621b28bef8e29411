"""Runs the targets of `make fuzz` without its fuzzer: on their seeds and on damaged seeds."""

import random

import pytest

from tools.fuzz.target import load, names

_DAMAGED = 60


@pytest.mark.parametrize("name", names())
def test_parsers_pass_on_seeds_and_damaged_seeds(name: str) -> None:
    target, draw = load(name), random.Random(name)
    seeds = target.seeds()
    for seed in seeds:
        target.fuzz(seed)
    for _ in range(_DAMAGED):
        damaged = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(damaged))
            damaged[place : place + draw.randint(0, 2)] = draw.randbytes(draw.randint(0, 2))
        target.fuzz(bytes(damaged))
