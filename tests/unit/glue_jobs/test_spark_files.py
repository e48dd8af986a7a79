"""What the Spark engine asks of S3 on a cluster and of the disk on one machine; no Spark is needed for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glue_jobs.spark_files import Cluster, OneMachine, SparkFiles, files_for


@pytest.mark.parametrize(
    ("master", "kind"), [("local[*]", OneMachine), ("local", OneMachine), ("yarn", Cluster), ("jes", Cluster)]
)
def test_one_machine_copies_and_a_cluster_uses_s3(master: str, kind: type[SparkFiles], s3: Any) -> None:
    assert isinstance(files_for(master, s3), kind)


def test_a_clusters_parts_lie_in_a_folder_of_their_own_and_go_when_they_are_read(
    s3: Any, bucket: str, put: Any, keys: Any
) -> None:
    files = Cluster(s3)
    folder = files.staging(f"s3://{bucket}/curated/runs/run-1/train.csv")
    assert folder == f"s3://{bucket}/staging/curated/runs/run-1/train.csv"
    put("kept", "staging/curated/runs/run-1/train.csv.old")
    for name, data in {
        "_SUCCESS": "",
        "part-100000-x": "c",
        "part-00000-x": "a",
        "part-00001-x": "b",
    }.items():
        put(data, f"staging/curated/runs/run-1/train.csv/{name}")
    assert b"".join(files.parts(folder)) == b"abc"
    files.discard(folder)
    assert keys() == ["staging/curated/runs/run-1/train.csv.old"]


def test_a_folder_that_spark_never_made_can_be_discarded(s3: Any, bucket: str) -> None:
    Cluster(s3).discard(f"s3://{bucket}/staging/none/")
    OneMachine(s3).discard("/nonexistent/folder")


def test_one_machine_reads_a_copy_and_finds_parts_in_order(s3: Any, bucket: str, put: Any) -> None:
    files = OneMachine(s3)
    copy = Path(files.readable(put("a,b\n", f"raw/{'long' * 80} [1].csv")))
    assert copy.read_text(encoding="utf-8") == "a,b\n"
    folder = Path(files.staging(f"s3://{bucket}/curated/"))
    folder.mkdir(parents=True)
    for name, data in {
        "_SUCCESS": "",
        ".part-00000-x.crc": "?",
        "part-00001-x": "b",
        "part-00000-x": "a",
    }.items():
        (folder / name).write_text(data, encoding="utf-8")
    assert b"".join(files.parts(str(folder))) == b"ab"
    files.discard(str(folder))
    assert not folder.exists()
    del files
    assert not copy.exists()
