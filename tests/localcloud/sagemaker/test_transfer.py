from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localcloud.sagemaker import transfer
from localcloud.sagemaker.transfer import TransferFailed
from localcloud.sagemaker.workspace import OutsideWorkspace, Workspace


def fetched(s3: Any, uri: str, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in transfer.download(s3, uri, folder)]


def test_fetches_one_object_under_its_own_name(s3: Any, tmp_path: Path) -> None:
    s3.objects["s3://b/curated/train.csv"] = b"1"
    assert fetched(s3, "s3://b/curated/train.csv", tmp_path) == ["train.csv"]
    assert (tmp_path / "train.csv").read_bytes() == b"1"


@pytest.mark.parametrize("uri", ["s3://b/data", "s3://b/data/"])
def test_fetches_everything_under_a_prefix(s3: Any, tmp_path: Path, uri: str) -> None:
    s3.objects |= {"s3://b/data/a.csv": b"", "s3://b/data/sub/b.csv": b"", "s3://b/data/": b""}
    assert fetched(s3, uri, tmp_path) == ["a.csv", "sub/b.csv"]


def test_a_prefix_may_end_inside_a_name(s3: Any, tmp_path: Path) -> None:
    s3.objects |= {"s3://b/data/part-1": b"", "s3://b/data/part-2": b""}
    assert fetched(s3, "s3://b/data/part", tmp_path) == ["part-1", "part-2"]


def test_fails_when_nothing_is_there(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(TransferFailed, match=r"^ClientError: Data download failed:NoSuchKey .*s3://b/none"):
        transfer.download(s3, "s3://b/none", tmp_path)


def test_fails_with_what_s3_said(s3: Any, tmp_path: Path) -> None:
    s3.refuse = "AccessDenied"
    with pytest.raises(TransferFailed, match=r"Data download failed:AccessDenied: .*s3://b/secret"):
        transfer.download(s3, "s3://b/secret", tmp_path)
    (tmp_path / "result").write_text("x")
    with pytest.raises(TransferFailed, match="Data upload failed:AccessDenied"):
        transfer.upload_folder(s3, tmp_path, "s3://b/out")


def test_refuses_a_key_that_leads_outside(s3: Any, tmp_path: Path) -> None:
    s3.objects["s3://b/data/../../evil"] = b""
    with pytest.raises(TransferFailed, match="leads outside"):
        transfer.download(s3, "s3://b/data/", tmp_path / "inner")


@pytest.mark.parametrize("uri", ["http://b/k", "b/k", "s3:///k"])
def test_refuses_what_is_no_s3_uri(s3: Any, tmp_path: Path, uri: str) -> None:
    with pytest.raises(TransferFailed, match="Invalid S3 URI"):
        transfer.download(s3, uri, tmp_path)


def test_uploads_files_with_their_folders(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "out" / "sub" / "a.json").write_text("{}")
    transfer.upload_folder(s3, tmp_path / "out", "s3://b/results/")
    assert s3.objects == {"s3://b/results/sub/a.json": b"{}"}


def test_uploads_nothing_that_lies_elsewhere(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "secret")
    transfer.upload_folder(s3, tmp_path / "out", "s3://b/results")
    assert s3.objects == {}


def test_rewrites_every_mention_of_opt_ml_and_nothing_else(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "job")
    here = str(workspace.opt_ml)
    text = "tar -C /opt/ml/code --x=/opt/ml '/opt/ml/a' /opt/mlx /var/opt/ml /opt/ml-2"
    assert (
        workspace.localise(text) == f"tar -C {here}/code --x={here} '{here}/a' /opt/mlx /var/opt/ml /opt/ml-2"
    )


def test_a_blank_in_the_home_folder_does_not_reach_the_job(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "my home" / "job")
    workspace.folder("/opt/ml/model")
    assert " " not in workspace.localise("/opt/ml/model")
    assert (tmp_path / "my home" / "job" / "opt" / "ml" / "model").is_dir()
    link = workspace.opt_ml.parent
    workspace.remove()
    assert not link.exists()
    assert not (tmp_path / "my home" / "job").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "/opt/ml/../../etc", "opt/ml/x", "/opt/mlx"])
def test_refuses_paths_outside_opt_ml(tmp_path: Path, path: str) -> None:
    with pytest.raises(OutsideWorkspace):
        Workspace(tmp_path / "job").path(path)


def test_takes_no_notice_of_what_a_killed_cloud_left(tmp_path: Path) -> None:
    Workspace(tmp_path / "job").folder("/opt/ml/model").joinpath("old").write_text("x")
    assert not (Workspace(tmp_path / "job").path("/opt/ml/model")).exists()
