"""G.711 against the tables of the standard."""

import numpy as np
import pytest

from barkclient._internal.g711 import decode_alaw, decode_mulaw

# Code and its 16-bit sample, from the tables of ITU-T G.711.
MULAW = {0x00: -32124, 0x7F: 0, 0x80: 32124, 0xFF: 0, 0xF0: 120, 0x70: -120, 0xA5: 6652}
ALAW = {0x55: -8, 0xD5: 8, 0x2A: -32256, 0xAA: 32256, 0x45: -264, 0xC0: 344}


@pytest.mark.parametrize(("decode", "table"), [(decode_mulaw, MULAW), (decode_alaw, ALAW)])
def test_codes_decode_to_the_tables_of_g711(decode: object, table: dict[int, int]) -> None:
    samples = decode(bytes(table)) * 32768  # type: ignore[operator]
    assert samples.dtype == np.float32
    assert samples.astype(int).tolist() == list(table.values())


@pytest.mark.parametrize("decode", [decode_mulaw, decode_alaw])
def test_all_codes_decode_to_distinct_samples(decode: object) -> None:
    samples = decode(bytes(range(256)))  # type: ignore[operator]
    assert np.abs(samples).max() < 1
    assert len(set(samples.tolist())) >= 255  # mu-law has two zeros
