"""The archives that carry the project's code: the pipeline's code bundle, Glue's package, each Lambda's zip.

The same files give the same bytes, whatever their dates, modes and order on disk and whichever Python packs
them: members are sorted, dated 1980, and stored rather than deflated, because compressors differ between
versions. `titanic up`, CI and Terraform's build script call the builders, so one commit is one set of bytes.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import io
import json
import struct
import subprocess  # nosec B404
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ops.names import ROOT

CONTRACT = "contracts/titanic.json"
SHIPPED = ("contracts", "functions", "glue_jobs", "pipeline_code")  # the folders that archives are made of
# 1980 and not 1970: a zip cannot say less, and the training toolkit packs the bundle's files into one.
EPOCH = (1980, 1, 1, 0, 0, 0)
EPOCH_SECONDS = 315532800


class BundleError(Exception):
    """An archive cannot be built from these files; the message says which and why."""


def build_code_bundle(root: Path = ROOT) -> bytes:
    """pipeline_code.tar.gz: the package `pipeline.code` with the contract beside its scripts."""
    contract = _read(root, CONTRACT)
    scripts = {
        f"pipeline/code/{path.name}": path.read_bytes() for path in (root / "pipeline_code").glob("*.py")
    }
    return _gzipped(
        _tarred({"pipeline/__init__.py": b"", "pipeline/code/contract.json": contract, **scripts})
    )


def build_glue_zip(root: Path = ROOT) -> bytes:
    """glue_jobs.zip: what Glue puts on the path of the job's script (`--extra-py-files`)."""
    return _zipped({name: _read(root, name) for name in _files(root, "glue_jobs") if name.endswith(".py")})


def build_function_zip(root: Path, name: str) -> bytes:
    """One Lambda's code: its folder, the modules of `functions/` it imports, its `files` in functions.json.

    Libraries are not in it: they come in the layer. Raises `BundleError` for an import or a file that is
    not there, which would otherwise show as an error of the first invocation.
    """
    own = _files(root, f"functions/{name}")
    if f"functions/{name}/handler.py" not in own:
        raise BundleError(f"functions/{name}/handler.py does not exist.")
    wanted = {*own, *_imported(root, own), *_data_files(root, name)}
    return _zipped({path: _read(root, path) for path in wanted})


def write_archives(out: Path, root: Path = ROOT) -> str:
    """Writes every archive below `out`, where Terraform and CI take them from; returns the code's version.

    functions/<name>.zip                            one for each function of functions.json
    glue_jobs/{prepare.py,glue_jobs.zip,titanic.json}   what the job finds beside its script
    pipeline_code.tar.gz                            the pipeline's code bundle
    code.json                                       {"code_version"}, as Terraform's variables file
    """
    version = code_version(root)
    files = {
        f"functions/{name}.zip": build_function_zip(root, name)
        for name in json.loads(_read(root, "functions/functions.json"))["functions"]
    } | {
        "glue_jobs/prepare.py": _read(root, "glue_jobs/prepare.py"),
        "glue_jobs/glue_jobs.zip": build_glue_zip(root),
        f"glue_jobs/{Path(CONTRACT).name}": _read(root, CONTRACT),
        "pipeline_code.tar.gz": build_code_bundle(root),
        "code.json": json.dumps({"code_version": version}).encode(),
    }
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    return version


def main(argv: Sequence[str] | None = None) -> None:
    """`python -m ops.bundles --out build`: writes the archives and prints the code's version."""
    parser = argparse.ArgumentParser(
        "python -m ops.bundles", description=(main.__doc__ or "").partition(": ")[2]
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build", help="folder to write to (default: build)"
    )
    print(write_archives(parser.parse_args(argv).out))


def code_version(root: Path = ROOT) -> str:
    """What names the code: the commit's short hash, `<hash>-dirty-<content>` when what is shipped differs
    from it, `content-<content>` where there is no git."""
    commit = _git(root, "rev-parse", "--short", "HEAD")
    if not commit:
        return f"content-{_content(root)}"
    changed = _git(root, "status", "--porcelain", "--", *SHIPPED)
    return f"{commit}-dirty-{_content(root)}" if changed else commit


def _git(root: Path, *arguments: str) -> str | None:
    """What git says; None when there is no git, or no commit."""
    try:
        asked = subprocess.run(  # nosec B603 B607
            ["git", "-C", root, *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return asked.stdout.strip()


def _content(root: Path) -> str:
    """A short hash of every file that is shipped."""
    names = sorted(name for folder in SHIPPED for name in _files(root, folder))
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\0{hashlib.sha256(_read(root, name)).hexdigest()}\n".encode())
    return digest.hexdigest()[:10]


def _read(root: Path, name: str) -> bytes:
    try:
        return (root / name).read_bytes()
    except FileNotFoundError as error:
        raise BundleError(f"{name} does not exist in {root}.") from error


def _files(root: Path, folder: str) -> list[str]:
    """Every source file under the folder, relative to the root: no caches, no hidden files."""
    found = (path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file())
    return [path.as_posix() for path in found if not any(_ignored(part) for part in path.parts)]


def _ignored(part: str) -> bool:
    return part.startswith(".") or part == "__pycache__" or part.endswith(".pyc")


def _data_files(root: Path, name: str) -> list[str]:
    listed = json.loads(_read(root, "functions/functions.json"))["functions"]
    if name not in listed:
        raise BundleError(f"functions/functions.json does not list {name}.")
    files: list[str] = listed[name].get("files", [])
    return files


def _imported(root: Path, paths: list[str]) -> set[str]:
    """The files of `functions/` that the given ones import, directly or not, with their packages."""
    queue, seen = [path for path in paths if path.endswith(".py")], set[str]()
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            queue.extend(_imports_of(root, path))
    return seen


def _imports_of(root: Path, path: str) -> Iterator[str]:
    yield from _packages(root, path)
    for base, names in _import_statements(_read(root, path).decode(), path):
        if base.split(".")[0] == "functions":
            module = _module_file(root, base)
            if module is None:
                raise BundleError(f"{path} imports {base}, which does not exist.")
            yield module
            yield from filter(None, (_module_file(root, f"{base}.{name}") for name in names))
        elif (root / base.split(".")[0] / "__init__.py").exists():
            raise BundleError(f"{path} imports {base}, which is not deployed with a function.")


def _import_statements(source: str, path: str) -> Iterator[tuple[str, list[str]]]:
    """(module, names taken from it) for every import in a file, relative ones made absolute."""
    package = path.split("/")[:-1]
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*above, *filter(None, [node.module])]), [alias.name for alias in node.names]


def _module_file(root: Path, module: str) -> str | None:
    base = module.replace(".", "/")
    return next((name for name in (f"{base}.py", f"{base}/__init__.py") if (root / name).is_file()), None)


def _packages(root: Path, path: str) -> Iterator[str]:
    """The `__init__.py` of every package the file is in."""
    for parent in Path(path).parents[:-1]:
        if (root / parent / "__init__.py").is_file():
            yield (parent / "__init__.py").as_posix()


def _zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # unix, -rw-r--r--
            archive.writestr(info, members[name])
    return buffer.getvalue()


def _tarred(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            info = tarfile.TarInfo(name)  # owner 0:0 without names, -rw-r--r--
            info.size, info.mtime = len(members[name]), EPOCH_SECONDS
            archive.addfile(info, io.BytesIO(members[name]))
    return buffer.getvalue()


def _gzipped(data: bytes) -> bytes:
    """gzip's frame (RFC 1952) around stored blocks: what any compressor unpacks and none can vary."""
    chunks = [data[start : start + 0xFFFF] for start in range(0, len(data), 0xFFFF)]
    blocks = [
        struct.pack("<BHH", index == len(chunks) - 1, len(chunk), len(chunk) ^ 0xFFFF) + chunk
        for index, chunk in enumerate(chunks)
    ]
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no date, system unknown
    return header + b"".join(blocks) + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


if __name__ == "__main__":
    main()
