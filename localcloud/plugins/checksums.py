"""Checksums of S3 objects that MiniStack computes byte by byte in Python: half a second for 8 MB.

Polars sends a CRC-64 with each part it uploads, and S3 has to check it. Registration points: `s3._crc64nvme`,
`s3._crc32c`.
"""

from __future__ import annotations

from collections.abc import Callable

from localcloud import crc

SMALL = 4096  # below, MiniStack's own loop takes less than a call of NumPy's


def replaced(original: Callable[[bytes], int], polynomial: int, ones: int) -> Callable[[bytes], int]:
    def checksum(body: bytes) -> int:
        return original(body) if len(body) < SMALL else crc.crc(body, polynomial, ones)

    return checksum


def install() -> None:
    from ministack.services import s3

    s3._crc64nvme = replaced(s3._crc64nvme, crc.CRC64NVME, 2**64 - 1)
    s3._crc32c = replaced(s3._crc32c, crc.CRC32C, 2**32 - 1)
