"""From an endpoint configuration to a running fleet: models resolved, fetched, unpacked, served."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from localcloud import processes
from localcloud.sagemaker import archives, transfer
from localcloud.sagemaker.hosting.capture import Capture
from localcloud.sagemaker.hosting.fleet import Fleet, LaunchFailed, Variant
from localcloud.sagemaker.hosting.instance import Instance, InstanceSpec
from localcloud.sagemaker.models import Models, ServedModel, refuse_other_serving
from localcloud.sagemaker.work import Surroundings

Config = dict[str, Any]


class Launcher:
    """Starts fleets. `Endpoints` has one."""

    def __init__(self, models: Models, around: Surroundings) -> None:
        self._models, self._around = models, around
        self._root = around.home / "endpoints"

    def resolve(self, config: Config) -> dict[str, ServedModel]:
        """The model of each variant. Raises `ValidationError`, also for one that cannot be served here."""
        models = {v["VariantName"]: self._models.served(v["ModelName"]) for v in config["ProductionVariants"]}
        for model in models.values():
            refuse_other_serving(model)
        return models

    def launch(
        self,
        endpoint: str,
        config: Config,
        models: Mapping[str, ServedModel],
        on_given_up: Callable[[], None],
    ) -> Fleet:
        """Fetches the models and starts their processes; they are not healthy yet. Raises `LaunchFailed`."""
        folder = self._root / endpoint / uuid.uuid4().hex[:8]
        with _no_remains(folder):
            for variant, model in models.items():
                self._fetch(endpoint, model, folder / variant)
            return self.revive(endpoint, config, models, folder, on_given_up)

    def revive(
        self,
        endpoint: str,
        config: Config,
        models: Mapping[str, ServedModel],
        folder: Path,
        on_given_up: Callable[[], None],
    ) -> Fleet:
        """Starts the processes of a fleet whose models are in `folder`."""
        variants = []
        for variant in config["ProductionVariants"]:
            name, model = variant["VariantName"], models[variant["VariantName"]]
            instances = [
                self._instance(endpoint, variant, model, folder / name, on_given_up)
                for _ in range(variant["InitialInstanceCount"])
            ]
            variants.append(Variant(name, model, variant.get("InitialVariantWeight", 1.0), instances))
        return Fleet(config, variants, folder, self._capture(endpoint, config, variants))

    def forget(self, endpoint: str) -> None:
        """Removes what a deleted endpoint leaves behind."""
        shutil.rmtree(self._root / endpoint, ignore_errors=True)

    def _instance(
        self,
        endpoint: str,
        variant: Config,
        model: ServedModel,
        folder: Path,
        on_given_up: Callable[[], None],
    ) -> Instance:
        number = uuid.uuid4().hex[:17]
        log = self._log(model.role, endpoint, f"{variant['VariantName']}/i-{number}")
        spec = InstanceSpec(
            name=f"endpoint-{endpoint}-{number[:4]}",
            folder=folder,
            environment={
                **processes.base_environment(),
                "HOME": str(folder),
                **self._around.environment(model.role, endpoint),
                **model.environment,
            },
            write_log=log,
            startup_seconds=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", 600),
        )
        return Instance(spec, on_given_up)

    def _capture(self, endpoint: str, config: Config, variants: list[Variant]) -> Capture | None:
        wanted = config.get("DataCaptureConfig")
        if not wanted:
            return None
        role = variants[0].model.role

        s3 = cache(lambda: self._around.s3(role, endpoint))  # making a client costs more than a small upload

        def put(bucket: str, key: str, content: bytes) -> None:
            s3().put_object(Bucket=bucket, Key=key, Body=content)

        return Capture(endpoint, wanted, put, self._log(role, endpoint, f"{variants[0].name}/data-log"))

    def _log(self, role: str, endpoint: str, stream: str) -> Callable[[str], None]:
        log = self._around.log(role, f"/aws/sagemaker/Endpoints/{endpoint}", stream)
        write: Callable[[str], None] = log.write
        return write

    def _fetch(self, endpoint: str, model: ServedModel, folder: Path) -> None:
        """The model's archive, unpacked into `folder`."""
        folder.mkdir(parents=True)
        archive = folder.with_name(f"{folder.name}.tar.gz")
        try:
            bucket, key = transfer.split_uri(model.data_uri)
            with archive.open("wb") as written:
                body = self._around.s3(model.role, endpoint).get_object(Bucket=bucket, Key=key)["Body"]
                shutil.copyfileobj(body, written)
            archives.extract(archive, folder)
        except (transfer.TransferFailed, *transfer.S3_ERRORS) as error:
            raise LaunchFailed(
                f'Failed to download model data for container "container_1" from URL: "{model.data_uri}".'
                " Please ensure that there is an object located at the URL and that the role passed to"
                f" CreateModel has permissions to download the object. ({transfer.words(error)})"
            ) from error
        except archives.UnsafeArchive as error:
            raise LaunchFailed(
                'Failed to extract model data archive for container "container_1" from URL'
                f' "{model.data_uri}". Please ensure that the object located at the URL is a valid tar.gz'
                f" archive. ({error})"
            ) from error
        archive.unlink()


@contextlib.contextmanager
def _no_remains(folder: Path) -> Iterator[None]:
    """A launch that fails leaves no folder."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
