"""`terraform fmt -check` and `terraform validate` of every stage, without an account: part of `make check`.

Where terraform is not installed it says so and passes, unless TITANIC_REQUIRE_TERRAFORM is set, as CI does.
"""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404 - running terraform is what this module is for
import sys

from ops.names import ROOT
from scripts.terraform_stages import Runner, StageFailed, copy_files

WORK = ROOT / ".cache/terraform"  # kept, so that the stages need `init` only once


def main() -> None:
    """See the module."""
    if not shutil.which("terraform"):
        said = "terraform is not installed: neither formatting nor validity of the stages was checked"
        sys.exit(said if os.environ.get("TITANIC_REQUIRE_TERRAFORM") else print(said))
    unformatted = subprocess.run(  # nosec B603 B607
        ["terraform", "fmt", "-check", "-recursive", "terraform"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout.split()
    if unformatted:
        sys.exit(f"`terraform fmt -recursive terraform` would change {', '.join(unformatted)}.")
    runner = Runner(copy_files(WORK), {})
    try:
        runner.validate()
    except StageFailed as error:
        sys.exit(str(error))
    print(f"{len(runner.stages)} Terraform stages are formatted and valid")


if __name__ == "__main__":
    main()
