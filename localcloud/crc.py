"""Reflected CRCs of large bodies, at about a nanosecond a byte. Called by `plugins/checksums.py`.

A CRC is linear, so a body is cut into lanes of one length that NumPy takes eight bytes further at a time, all
lanes in one operation; the lanes' results are then joined pairwise. An operator on CRC states ("eight more
bytes", "so many zero bytes") is eight tables of 256 entries, one for each byte of a state.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    States = NDArray[np.uint64]

CRC64NVME, CRC32C = 0x9A6C9329AC4BC9B5, 0x82F63B78  # reflected polynomials
WORD = 8
STEPS = 128  # words of a lane


def crc(data: bytes, polynomial: int, ones: int) -> int:
    """The CRC whose register starts with `ones` and is inverted by them at the end. `data` has 8 bytes or
    more."""
    import numpy as np

    lane = WORD * STEPS
    lanes = 1 << max(0, -(-len(data) // lane) - 1).bit_length()
    padded = np.zeros(
        lanes * lane, dtype=np.uint8
    )  # zeros in front change nothing while the register is zero
    start = len(padded) - len(data)
    padded[start:] = np.frombuffer(data, dtype=np.uint8)
    padded[start : start + WORD] ^= np.frombuffer(ones.to_bytes(WORD, "little"), dtype=np.uint8)
    words = np.ascontiguousarray(padded.view("<u8").reshape(lanes, STEPS).T)
    step, *joins = _operators(polynomial, lanes.bit_length() - 1)
    states: States = np.zeros(lanes, dtype=np.uint64)
    for column in words:
        states = _apply(step, states ^ column)
    for join in joins:
        states = _apply(join, states[0::2]) ^ states[1::2]
    return int(states[0]) ^ ones


def _apply(operator: States, states: States) -> States:
    import numpy as np

    result: States = operator[0][states & np.uint64(0xFF)]
    for number in range(1, WORD):
        result = result ^ operator[number][(states >> np.uint64(8 * number)) & np.uint64(0xFF)]
    return result


def _operators(polynomial: int, joins: int) -> list[Any]:
    """One word further; then a lane, two lanes, four lanes … of zeros further."""
    return [_zeros(polynomial, 0), *(_zeros(polynomial, _LANE + n) for n in range(joins))]


_LANE = STEPS.bit_length() - 1


@cache
def _zeros(polynomial: int, doublings: int) -> Any:
    """The operator for 2**doublings words of zeros."""
    if doublings:
        half = _zeros(polynomial, doublings - 1)
        return _apply(half, half)
    return _one_word(polynomial)


def _one_word(polynomial: int) -> Any:
    import numpy as np

    states = np.arange(256, dtype=np.uint64)
    for _ in range(8):
        states = np.where(
            states & np.uint64(1), (states >> np.uint64(1)) ^ np.uint64(polynomial), states >> np.uint64(1)
        )
    tables = [states]  # of the last byte: the others are so many bytes further
    for _ in range(WORD - 1):
        last = tables[0]
        tables.insert(0, states[last & np.uint64(0xFF)] ^ (last >> np.uint64(8)))
    return np.stack(tables)
