"""The training path, StartExecution to registered model, against its four scripts as plain processes.

The floor has no orchestration, no Lambda, no job records, and its tables lie in folders already: only the
four processes are timed, one after the other.
"""

from __future__ import annotations

import io
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clouds import DeployedCloud
from benchmarks.measure import Pairs, Row, Target, run
from ops import bundles
from ops.names import ROOT


def measure(here: DeployedCloud, times: int) -> Row:
    machine = here.stack.machine_arn("training")
    pairs = Pairs()
    with tempfile.TemporaryDirectory(prefix="floor-") as folder:
        here.execute(machine)  # Lambda environments are warm from the second run on
        floor = Floor(here, Path(folder))
        floor.seconds(0)
        for number in range(1, times + 1):
            pairs.ours.append(here.execute(machine))
            pairs.against.append(floor.seconds(number))
    return Row.of_pairs(
        "the whole training path, StartExecution to registered model",
        "the same four scripts as plain processes",
        pairs,
        Target(most=0.6),
    )


class Floor:
    """The four scripts with the arguments that the path gives them."""

    def __init__(self, here: DeployedCloud, folder: Path) -> None:
        self._here, self._folder = here, folder
        with tarfile.open(fileobj=io.BytesIO(bundles.build_code_bundle(ROOT))) as bundle:
            bundle.extractall(folder / "src", filter="data")
        for name in ("train", "validation"):
            target = folder / "curated" / name
            target.mkdir(parents=True)
            here.client("s3").download_file(here.bucket, f"curated/{name}.csv", str(target / f"{name}.csv"))

    def seconds(self, number: int) -> float:
        self._folder.joinpath(f"{number}").mkdir()
        prepare = self._run(ROOT, [str(ROOT / "glue_jobs" / "prepare.py"), *self._prepare_arguments(number)])
        tables, model, evaluation = (
            self._folder / f"{number}" / name for name in ("tables", "model", "evaluation")
        )
        code = self._folder / "src" / "pipeline" / "code"
        inputs = [
            "--train",
            self._folder / "curated/train",
            "--validation",
            self._folder / "curated/validation",
        ]
        outputs = ["--train-output", tables / "train", "--validation-output", tables / "validation"]
        preprocess = self._run(self._folder, [code / "preprocess.py", *inputs, *outputs])
        channels = ["--train", tables / "train", "--validation", tables / "validation"]
        train = self._run(
            self._folder / "src", ["-m", "pipeline.code.train", *channels, "--model-dir", model]
        )
        with tarfile.open(model / "model.tar.gz", "w:gz") as packed:
            packed.add(model / "xgboost-model", "xgboost-model")
        wanted = ["--model", model, "--validation", tables / "validation", "--evaluation-output", evaluation]
        evaluate = self._run(self._folder, [code / "evaluate.py", *wanted])
        return prepare + preprocess + train + evaluate

    def _prepare_arguments(self, number: int) -> list[str]:
        bucket = self._here.bucket
        return [
            *("--mode", "training", "--run_id", f"floor-{number}"),
            *("--source_uri", f"s3://{bucket}/raw/titanic.csv", "--bucket", bucket),
            *("--contract", str(ROOT / "contracts" / "titanic.json")),
        ]

    def _run(self, cwd: Path, arguments: Sequence[object]) -> float:
        return run([sys.executable, *map(str, arguments)], self._here.environment(), cwd).seconds
