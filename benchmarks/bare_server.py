"""`inplace_predict` behind a bare ASGI server: `bare_server.py <model>`; prints its port when it serves."""

import asyncio
import socket
import sys
from typing import Any

import numpy as np
import xgboost
from hypercorn.asyncio import serve
from hypercorn.config import Config


def application(booster: xgboost.Booster) -> Any:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        rows = [[float(field or "nan") for field in line.split(b",")] for line in body.strip().split(b"\n")]
        scores = booster.inplace_predict(np.array(rows))
        answer = ("\n".join(map(str, scores.tolist())) + "\n").encode()
        headers = [(b"content-type", b"text/csv"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


async def main(model: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    booster = xgboost.Booster({"nthread": 1}, model_file=model)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_max_requests = 1_000_000
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - for who started it
    await serve(application(booster), config)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
