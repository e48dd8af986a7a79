from __future__ import annotations

import zlib

import pytest
from ministack.services import s3

from localcloud import crc

SIZES = [8, 9, 1023, 1024, 1025, 2048, 5000, 100_003]


def bytes_of(size: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in range(1, size))[-size:]


@pytest.mark.parametrize("size", SIZES)
def test_agrees_with_the_plain_loop(size: int) -> None:
    body = bytes_of(size)
    assert crc.crc(body, crc.CRC64NVME, 2**64 - 1) == s3._crc64nvme(body)
    assert crc.crc(body, crc.CRC32C, 2**32 - 1) == s3._crc32c(body)


def test_agrees_with_another_implementation_of_another_polynomial() -> None:
    body = bytes_of(3_000_001)
    assert crc.crc(body, 0xEDB88320, 2**32 - 1) == zlib.crc32(body)


def test_agrees_with_the_published_check_values() -> None:
    assert crc.crc(b"123456789", crc.CRC64NVME, 2**64 - 1) == 0xAE8B14860A799888
    assert crc.crc(b"123456789", crc.CRC32C, 2**32 - 1) == 0xE3069283


def test_zeros_in_front_count() -> None:
    assert crc.crc(bytes(5000), crc.CRC64NVME, 2**64 - 1) == s3._crc64nvme(bytes(5000))
    assert crc.crc(bytes(5000), crc.CRC32C, 2**32 - 1) != crc.crc(bytes(5001), crc.CRC32C, 2**32 - 1)
