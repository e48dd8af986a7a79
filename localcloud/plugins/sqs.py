"""SQS: queues that outlive the port their cloud listened on.

MiniStack keys a queue by its URL, port and all, so a cloud that comes back on another port finds none of
its queues. Inside they get one address for good; callers see the address at which they asked.
Registration points: `sqs.DEFAULT_PORT`, `sqs._CANONICAL_NETLOC`.
"""

from __future__ import annotations

from localcloud.settings import DEFAULT_PORT


def install() -> None:
    from ministack.services import sqs

    sqs.DEFAULT_PORT = str(DEFAULT_PORT)
    sqs._CANONICAL_NETLOC = f"{sqs.DEFAULT_HOST}:{DEFAULT_PORT}"
