"""Step `TrainModel`: an XGBoost classifier from preprocessing's tables.

The XGBoost container's training toolkit runs it as `python -m pipeline.code.train`, with the folders in
SM_* variables and each hyperparameter as `--name value`. The same code and data give the same bytes: one
thread, so that sums are added in one order, a fixed seed, and a model file without a date.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xgboost

if TYPE_CHECKING or __package__:  # job.py says why there are two ways
    from . import job
else:
    import job

PROGRESS_EVERY = 50  # trees


def main(argv: Sequence[str] | None = None) -> int:
    return job.run(parser(), train, argv)


def parser() -> job.Parser:
    """Hyperparameters bear XGBoost's own names, as in the container's algorithm mode."""
    parser = job.Parser("Train the classifier and save it where SageMaker collects the model.")
    folder = parser.add_argument_group("folders")
    inputs = "/opt/ml/input/data"
    folder.add_argument("--train", type=Path, default=_from_env("SM_CHANNEL_TRAIN", f"{inputs}/train"))
    folder.add_argument(
        "--validation", type=Path, default=_from_env("SM_CHANNEL_VALIDATION", f"{inputs}/validation")
    )
    folder.add_argument("--model-dir", type=Path, default=_from_env("SM_MODEL_DIR", "/opt/ml/model"))
    hyper = parser.add_argument_group("hyperparameters")
    hyper.add_argument("--num_round", type=int, default=300, help="trees")
    hyper.add_argument("--max_depth", type=int, default=4)
    hyper.add_argument("--eta", type=float, default=0.03)
    hyper.add_argument("--min_child_weight", type=float, default=1.0)
    hyper.add_argument("--subsample", type=float, default=1.0)
    hyper.add_argument("--colsample_bytree", type=float, default=1.0)
    hyper.add_argument("--seed", type=int, default=0)
    hyper.add_argument("--nthread", type=int, default=1, help="more than 1 may change the model's last bits")
    return parser


def _from_env(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable, fallback))


def train(arguments: argparse.Namespace) -> None:
    contract = job.read_contract(arguments.contract)
    hyperparameters = parameters(arguments)
    print(f"hyperparameters: {hyperparameters}, {arguments.num_round} trees", flush=True)
    tables = {
        name: matrix(channel, contract, arguments.nthread)
        for name, channel in (("train", arguments.train), ("validation", arguments.validation))
    }
    print(", ".join(f"{name}: {table.num_row()} rows" for name, table in tables.items()), flush=True)
    model = fit(hyperparameters, arguments.num_round, tables)
    save(model, arguments.model_dir)


def parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """What XGBoost is told, besides the number of trees."""
    names = ("max_depth", "eta", "min_child_weight", "subsample", "colsample_bytree", "seed", "nthread")
    chosen = {name: getattr(arguments, name) for name in names}
    return {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], **chosen}


def matrix(channel: Path, contract: job.Contract, nthread: int) -> xgboost.DMatrix:
    """A channel's table, with the contract's feature names, which the model keeps."""
    labels, features = job.read_labelled(channel, contract)
    return xgboost.DMatrix(features, label=labels, feature_names=contract.feature_names, nthread=nthread)


def fit(hyperparameters: dict[str, Any], trees: int, tables: dict[str, xgboost.DMatrix]) -> bytes:
    """The trained model in XGBoost's UBJSON form. Prints each table's losses as it goes."""
    watched = [(table, name) for name, table in tables.items()]
    try:
        booster = xgboost.train(
            hyperparameters, tables["train"], trees, evals=watched, verbose_eval=PROGRESS_EVERY
        )
    except xgboost.core.XGBoostError as error:  # its own text spans lines and holds a stack
        reason = str(error).splitlines()[0].split("] ")[-1]
        raise job.InvalidArgument(f"XGBoost refuses these hyperparameters: {reason}") from error
    return bytes(booster.save_raw(raw_format="ubj"))


def save(model: bytes, folder: Path) -> None:
    """Only the model goes into the folder: SageMaker packs all of it into model.tar.gz."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / job.MODEL_FILE).write_bytes(model)
    print(
        f"saved {job.MODEL_FILE}: {len(model)} bytes, sha256 {hashlib.sha256(model).hexdigest()}", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
