"""Finds an AWS provider that is already on this machine, so that `terraform init` needs no network."""

from __future__ import annotations

import os
import subprocess  # nosec B404 - `find` is faster than walking a disk in Python
import sys
from functools import cache
from pathlib import Path

SEARCH_SECONDS = 120


def provider_settings(folder: Path) -> dict[str, str]:
    """Environment for terraform: settings, written to `folder`, that take the provider from this machine.

    Empty where settings are chosen already, or where there is no provider: Terraform then downloads it.
    """
    chosen = os.environ.get("TF_CLI_CONFIG_FILE")
    mirror = None if chosen and Path(chosen).is_file() else find_mirror()
    if mirror is None:
        return {}
    settings = folder / "terraform.tfrc"
    settings.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    )
    return {"TF_CLI_CONFIG_FILE": str(settings)}


@cache
def find_mirror() -> Path | None:
    """The folder that holds registry.terraform.io/hashicorp/aws/…, wherever an image's maker put it."""
    if sys.platform != "linux":  # elsewhere a search of the disk takes minutes
        return None
    search = ["find", "/", "-xdev", "-path", "*/hashicorp/aws/*", "-name", "terraform-provider-aws_v*"]
    try:
        found = subprocess.run(search, capture_output=True, text=True, check=False, timeout=SEARCH_SECONDS)  # nosec B603
    except (OSError, subprocess.TimeoutExpired):
        return None
    mirrors = [line.partition("/registry.terraform.io/")[0] for line in found.stdout.splitlines()]
    usable = [Path(mirror) for mirror in mirrors if "/.terraform/" not in mirror and mirror]
    return min(usable, default=None)
