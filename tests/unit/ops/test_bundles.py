from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ops import bundles
from ops.names import ROOT

FILES = {
    "contracts/titanic.json": '{"name": "titanic"}',
    "pipeline_code/__init__.py": "",
    "pipeline_code/train.py": "print('train')",
    "pipeline_code/evaluate.py": "print('evaluate')",
    "glue_jobs/__init__.py": "",
    "glue_jobs/prepare.py": "from glue_jobs import transforms",
    "glue_jobs/transforms.py": "",
    "functions/__init__.py": "",
    "functions/functions.json": json.dumps(
        {"functions": {"init_run": {"files": ["contracts/titanic.json"]}, "record_run": {}}}
    ),
    "functions/common/__init__.py": "",
    "functions/common/errors.py": "class InvalidInput(Exception): ...",
    "functions/common/clients.py": "import boto3\nfrom functions.common import errors",
    "functions/common/runs.py": "from .errors import InvalidInput",
    "functions/common/unused.py": "",
    "functions/init_run/__init__.py": "",
    "functions/init_run/handler.py": "import json\nfrom functions.common.runs import InvalidInput",
    "functions/init_run/words.txt": "hello",
    "functions/record_run/__init__.py": "",
    "functions/record_run/handler.py": "def handler():\n    from ..common import clients",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with every kind of file that the archives are made of."""
    root = tmp_path / "project"
    _write(root, FILES)
    return root


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _names(archive: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.namelist()


BUILDERS = [
    pytest.param(bundles.build_code_bundle, id="code bundle"),
    pytest.param(bundles.build_glue_zip, id="glue zip"),
    pytest.param(lambda root: bundles.build_function_zip(root, "init_run"), id="function zip"),
]


@pytest.mark.parametrize("build", BUILDERS)
def test_the_same_files_give_the_same_bytes_whatever_their_dates_modes_and_order(
    project: Path, tmp_path: Path, build: Callable[[Path], bytes]
) -> None:
    other = tmp_path / "elsewhere" / "clone"
    before = os.umask(0o077)
    try:
        _write(other, dict(reversed(FILES.items())))
    finally:
        os.umask(before)
    for path in other.rglob("*.*"):
        path.chmod(0o755)
        os.utime(path, (0, 0))
    (other / "pipeline_code/__pycache__").mkdir()
    (other / "pipeline_code/__pycache__/train.cpython-311.pyc").write_bytes(b"cache")
    (other / "functions/init_run/.DS_Store").write_bytes(b"junk")
    assert build(other) == build(project)


@pytest.mark.parametrize("build", BUILDERS)
def test_other_files_give_other_bytes(project: Path, build: Callable[[Path], bytes]) -> None:
    before = build(project)
    for name in ("pipeline_code/train.py", "glue_jobs/prepare.py", "functions/common/errors.py"):
        (project / name).write_text((project / name).read_text() + "\nCHANGED = True\n")
    assert build(project) != before


def test_the_code_bundle_is_the_package_pipeline_code_with_the_contract(project: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(bundles.build_code_bundle(project))) as tar:
        members = tar.getmembers()
        contract = tar.extractfile("pipeline/code/contract.json")
        assert contract is not None
        assert contract.read() == b'{"name": "titanic"}'
    assert [member.name for member in members] == [
        "pipeline/__init__.py",
        "pipeline/code/__init__.py",
        "pipeline/code/contract.json",
        "pipeline/code/evaluate.py",
        "pipeline/code/train.py",
    ]
    assert {(each.mode, each.uid, each.gid, each.uname, each.mtime) for each in members} == {
        (0o644, 0, 0, "", bundles.EPOCH_SECONDS)
    }


@pytest.mark.parametrize("size", [1, 0xFFFF, 0x10000, 200_000])
def test_the_gzip_frame_is_one_that_gzip_unpacks(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    assert gzip.decompress(bundles._gzipped(data[:size])) == data[:size]


def test_tar_on_this_machine_unpacks_the_code_bundle(project: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle.tar.gz").write_bytes(bundles.build_code_bundle(project))
    subprocess.run(["tar", "-xzf", "bundle.tar.gz"], cwd=tmp_path, check=True)
    assert (tmp_path / "pipeline/code/train.py").read_text() == "print('train')"


def test_the_glue_zip_is_the_package(project: Path) -> None:
    assert _names(bundles.build_glue_zip(project)) == [
        "glue_jobs/__init__.py",
        "glue_jobs/prepare.py",
        "glue_jobs/transforms.py",
    ]


def test_a_function_zip_holds_its_folder_what_it_imports_and_its_data(project: Path) -> None:
    assert _names(bundles.build_function_zip(project, "init_run")) == [
        "contracts/titanic.json",
        "functions/__init__.py",
        "functions/common/__init__.py",
        "functions/common/errors.py",
        "functions/common/runs.py",
        "functions/init_run/__init__.py",
        "functions/init_run/handler.py",
        "functions/init_run/words.txt",
    ]


def test_an_import_inside_a_function_and_a_relative_one_count_too(project: Path) -> None:
    names = _names(bundles.build_function_zip(project, "record_run"))
    assert "functions/common/clients.py" in names
    assert "functions/common/errors.py" in names
    assert "contracts/titanic.json" not in names


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("from functions.common.eror import X", "imports functions.common.eror, which does not exist"),
        ("import functions.common.eror", "imports functions.common.eror, which does not exist"),
        ("from ops import names", "imports ops, which is not deployed with a function"),
    ],
)
def test_an_import_that_would_fail_on_aws_is_refused_here(project: Path, source: str, says: str) -> None:
    (project / "ops").mkdir()
    (project / "ops/__init__.py").touch()
    (project / "functions/init_run/handler.py").write_text(source)
    with pytest.raises(bundles.BundleError, match=says):
        bundles.build_function_zip(project, "init_run")


def test_a_function_without_handler_is_refused(project: Path) -> None:
    with pytest.raises(bundles.BundleError, match=r"functions/promote/handler\.py does not exist"):
        bundles.build_function_zip(project, "promote")


def test_a_function_that_is_not_listed_is_refused(project: Path) -> None:
    (project / "functions/functions.json").write_text('{"functions": {}}')
    with pytest.raises(bundles.BundleError, match="does not list init_run"):
        bundles.build_function_zip(project, "init_run")


def test_a_listed_file_that_is_missing_is_refused(project: Path) -> None:
    (project / "contracts/titanic.json").unlink()
    with pytest.raises(bundles.BundleError, match=r"contracts/titanic\.json does not exist"):
        bundles.build_function_zip(project, "init_run")


def test_every_function_of_the_project_can_be_imported_from_its_zip_alone(tmp_path: Path) -> None:
    functions = json.loads((ROOT / "functions/functions.json").read_text())["functions"]
    assert functions
    for name in functions:
        path = tmp_path / f"{name}.zip"
        path.write_bytes(bundles.build_function_zip(ROOT, name))
        code = f"import sys; sys.path.insert(0, {str(path)!r}); from functions.{name}.handler import handler"
        done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"


@pytest.fixture
def git(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Git in the small project, with everything committed and nobody's own settings."""
    if shutil.which("git") is None:
        pytest.fail("git is missing: install it, the tests of code versions need it")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)  # a hook that runs the tests points them at its own repository
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def run(*arguments: str) -> str:
        identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.com"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout.strip()

    run("init", "--quiet")
    run("add", ".")
    run("commit", "--quiet", "--message", "all")
    return run


def test_the_version_of_committed_code_is_the_commits_short_hash(
    project: Path, git: Callable[..., str]
) -> None:
    (project / "README.md").write_text("not shipped")
    assert bundles.code_version(project) == git("rev-parse", "--short", "HEAD")


def test_the_version_of_changed_code_says_so_and_follows_its_content(
    project: Path, git: Callable[..., str]
) -> None:
    commit = git("rev-parse", "--short", "HEAD")
    versions = []
    for text in ("one", "two", "one"):
        (project / "pipeline_code/new.py").write_text(text)
        versions.append(bundles.code_version(project))
    assert all(version.startswith(f"{commit}-dirty-") for version in versions)
    assert versions[0] == versions[2] != versions[1]


def test_the_version_without_git_follows_the_content(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    before = bundles.code_version(project)
    assert before.startswith("content-")
    (project / "README.md").write_text("not shipped")
    assert bundles.code_version(project) == before
    (project / "contracts/titanic.json").write_text("{}")
    assert bundles.code_version(project) != before


def test_the_command_writes_every_archive_and_prints_the_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles.main(["--out", str(tmp_path)])
    version = capsys.readouterr().out.strip()
    assert json.loads((tmp_path / "code.json").read_text()) == {"code_version": version}
    listed = json.loads((ROOT / "functions/functions.json").read_text())["functions"]
    assert {path.stem for path in (tmp_path / "functions").iterdir()} == set(listed)
    assert (tmp_path / "glue_jobs/glue_jobs.zip").read_bytes() == bundles.build_glue_zip()
    assert (tmp_path / "pipeline_code.tar.gz").read_bytes() == bundles.build_code_bundle()
