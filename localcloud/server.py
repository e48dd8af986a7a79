"""The local cloud's server process: `python -m localcloud.server`, started by `localcloud.control`.

Settings come from the environment (`localcloud.settings`). The state is restored from `<home>/state`
on start and saved there on SIGTERM or SIGINT; a file `<home>/cloud.json` exists while it is ready.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from typing import Any

from localcloud import processes
from localcloud.settings import FORKED, Settings, settings

STATE_FILE = "cloud.json"


def configure_ministack(here: Settings) -> None:
    """MiniStack reads its settings from the environment when it is imported."""
    state = here.home / "state"
    os.environ.update(
        {
            "AUTH": "true" if here.enforce_iam else "false",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",  # nosec B105 - what every client of the emulator uses
            "AWS_DEFAULT_REGION": here.region,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(here.port),
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "LOG_LEVEL": "WARNING",
            "MINISTACK_ACCOUNT_ID": here.account_id,
            "MINISTACK_REGION": here.region,
            "MOTO_ACCOUNT_ID": here.account_id,
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(here.home / "s3"),
            "S3_PERSIST": "1",
            "SFN_WAIT_SCALE": str(here.wait_scale),
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(state),
        }
    )


def install_plugins() -> None:
    from localcloud.plugins import (
        alarms,
        checksums,
        embedded_metrics,
        events,
        glue,
        iam,
        iam_context,
        iam_resources,
        lambda_,
        log_streams,
        metric_filters,
        metrics,
        paths,
        queues,
        ranges,
        sagemaker,
        sagemaker_runtime,
        scheduler,
        sqs,
        step_functions,
        step_functions_access,
        step_functions_callback,
        waits,
        what_if,
    )

    for plugin in (
        iam,
        sagemaker,
        sagemaker_runtime,
        glue,
        lambda_,
        step_functions_access,
        step_functions,
        step_functions_callback,
        paths,
        events,
        scheduler,
        sqs,
        metrics,
        embedded_metrics,
        metric_filters,
        log_streams,
        alarms,
        iam_context,
        iam_resources,
        queues,
        what_if,
        waits,
        checksums,
        ranges,
    ):
        plugin.install()


async def serve(here: Settings) -> None:
    """Serves until it is told to stop."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    from localcloud.plugins import alarms

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def until_stopped() -> None:
        _write_state_file(here)
        _warm_up()
        alarms.judge_on_its_own.start()
        await stop.wait()
        (here.home / STATE_FILE).unlink(missing_ok=True)
        await asyncio.to_thread(quiesce, here)

    config = Config()
    config.bind = [f"fd://{here.listener}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    config.loglevel = "WARNING"
    await hypercorn_serve(app, config, shutdown_trigger=until_stopped)


def quiesce(here: Settings) -> None:
    """Ends all work while the APIs still answer, then saves what MiniStack does not save itself."""
    from localcloud.plugins import alarms, events, glue, lambda_, sagemaker, scheduler, step_functions

    scheduler.timekeeper.stop()
    alarms.judge_on_its_own.stop()
    events.stopping.set()
    step_functions.abort_running()
    glue.stop_all()
    sagemaker.stop_all()
    lambda_.environments.close()
    processes.stop_all()
    (here.home / "state").mkdir(exist_ok=True)
    _replace(here.home / "state" / "sagemaker.bin", sagemaker.snapshot())


def restore(here: Settings) -> None:
    from localcloud.plugins import sagemaker

    saved = here.home / "state" / "sagemaker.bin"
    if saved.exists():
        sagemaker.restore(saved.read_bytes())


def main() -> None:
    here = settings()
    here.home.mkdir(parents=True, exist_ok=True)
    configure_ministack(here)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s [%(name)s] %(message)s")
    if here.processes == FORKED:
        processes.use_fork_servers()
    install_plugins()
    restore(here)
    asyncio.run(serve(here))
    # Threads of abandoned work (a Wait state, say) are daemons and must not keep the process alive.
    logging.shutdown()
    os._exit(0)


def _warm_up() -> None:
    """Loads what the first jobs will need while whoever started the cloud deploys something to it."""
    from localcloud.plugins.lambda_ import FUNCTION_LIBRARIES

    for libraries in (FUNCTION_LIBRARIES, processes.JOB_LIBRARIES):
        processes.warm_up(libraries)


def _write_state_file(here: Settings) -> None:
    state: dict[str, Any] = {
        "pid": os.getpid(),
        "port": here.port,
        "endpoint_url": here.endpoint_url,
        "enforce_iam": here.enforce_iam,
    }
    _replace(here.home / STATE_FILE, json.dumps(state).encode())


def _replace(path: Any, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


if __name__ == "__main__":
    main()
