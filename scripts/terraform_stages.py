"""Plans, applies and destroys the Terraform stages in order, handing each the outputs of earlier ones.

CI and `tests/terraform` run it, and so may a person who wants every stage rather than one:

    python -m scripts.terraform_stages bootstrap|plan|apply|deploy|destroy --environment dev --owner TEAM …

    bootstrap   once: the stages that limit CI, with their states in the bucket that the first of them makes
    plan        what an apply would change
    apply       every stage, by a person who may
    deploy      the stages that CI may apply; refuses when one that limits CI has changed
    destroy     every stage

A stage says in its variables.tf what it takes from which earlier stage ("From 00_foundations: …"); an output
of that name there becomes its value here. Stages that take nothing from each other run at the same time. All
work happens in a copy of the files, so that what a stage reads cannot change between its plan and its apply.
States are in the state bucket. No plan is applied that holds a resource without the five tags.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess  # nosec B404 - running terraform is what this module is for
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops import bundles
from ops.names import ROOT, Names, project_file
from scripts.plan_report import changes, plan_report
from scripts.terraform_mirror import provider_settings
from scripts.terraform_tags import untagged

READ_BY_STAGES = (*bundles.SHIPPED, "events", "iam", "statemachines", "terraform")
FOUNDATIONS = "00_foundations"
GUARDS = (FOUNDATIONS, "05_cicd")
"""The stages that limit CI: the boundary of the roles it makes, and its own rights. A person applies them."""
_INPUT = re.compile(r'variable "(\w+)" \{\n  description = "From (\w+): ')
_VARIABLE = re.compile(r'^variable "(\w+)" \{$', re.MULTILINE)


class StageFailed(Exception):
    """Terraform refused; the message holds the stage, the command and what it said."""


class GuardsChanged(Exception):
    """A stage that limits CI would change, which CI must not do; the message names what."""


class Untagged(Exception):
    """A plan holds resources without the mandatory tags; the message names them."""


@dataclass(frozen=True)
class Stage:
    """One numbered folder of terraform/. `inputs` says which earlier stage gives each of its inputs."""

    folder: Path
    variables: frozenset[str]
    inputs: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.folder.name


def read_stages(terraform: Path) -> list[Stage]:
    """Every stage of the folder, in the order of their numbers."""
    return [_read_stage(path.parent) for path in sorted(terraform.glob("[0-9][0-9]_*/variables.tf"))]


def _read_stage(folder: Path) -> Stage:
    text = (folder / "variables.tf").read_text(encoding="utf-8")
    return Stage(folder, frozenset(_VARIABLE.findall(text)), dict(_INPUT.findall(text)))


@dataclass
class Runner:
    """The stages in the work folder, with the values of their operator's variables.

    `environment` is added to the terraform process's own: credentials, or the address of a local cloud.
    """

    work: Path
    variables: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    state_bucket: str | None = None
    """Bucket of the states, each under its stage's name. None: beside the stages, in the work folder."""
    seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    """How long each (stage, command) took."""
    created: dict[str, int] = field(default_factory=dict)
    """How many resources each applied stage has."""
    _outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _valid: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.stages = read_stages(self.work / "terraform")
        quiet = {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        self._process_environment = {
            **os.environ,
            **quiet,
            **provider_settings(self.work),
            **self.environment,
        }

    def bootstrap(self) -> None:
        """Applies the stages that limit CI. The first makes the state bucket, and its state moves there."""
        bucket, self.state_bucket = self.state_bucket, None
        self._in_order(self._apply_stage, _takes_from, (FOUNDATIONS,))
        self.state_bucket = bucket
        self._move_state(self._stage(FOUNDATIONS))
        self._in_order(self._apply_stage, _among(_takes_from, GUARDS[1:]), GUARDS[1:])

    def apply(self) -> None:
        """Applies every stage, each as soon as those it takes something from are there."""
        self._in_order(self._apply_stage, _takes_from)

    def deploy(self) -> None:
        """Applies what CI may. Raises `GuardsChanged` when a stage that limits it is not as its files say."""
        changed = {stage: changes(plan) for stage, plan in self.plan(GUARDS).items()}
        if told := [f"{stage}: {address}" for stage, found in changed.items() for address in found]:
            raise GuardsChanged(
                f"Nothing is applied: {', '.join(told)} would change, and these stages limit what CI may do. "
                "A person applies them first: `python -m scripts.terraform_stages apply …`."
            )
        others = tuple(stage.name for stage in self.stages if stage.name not in GUARDS)
        self._in_order(self._apply_stage, _among(_takes_from, others), others)

    def plan(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """What an apply would change now, in Terraform's JSON form of a plan, by stage that would change.

        Of the named stages, or of all. Writes nothing, no lock either.
        """
        plans: dict[str, Any] = {}

        def plan_stage(stage: Stage) -> None:
            if plan := self._plan_stage(stage, "-lock=false"):
                plans[stage.name] = plan

        self._in_order(plan_stage, lambda _stage: set(), names)  # earlier stages are applied already
        return dict(sorted(plans.items()))

    def destroy(self) -> None:
        """Destroys every stage, each after those that take something from it."""
        users: dict[str, set[str]] = {stage.name: set() for stage in self.stages}
        for stage in self.stages:
            for source in stage.inputs.values():
                users[source].add(stage.name)
        self._in_order(self._destroy_stage, lambda stage: users[stage.name])

    def validate(self) -> None:
        """Lets Terraform check every stage's own files."""
        self._in_order(lambda _stage: None, lambda _stage: set())  # which preparing them does

    def outputs(self, stage: str) -> dict[str, Any]:
        """Outputs of an applied stage."""
        if stage not in self._outputs:
            answer = json.loads(self._terraform(self._stage(stage), "output", "-json"))
            self._outputs[stage] = {name: output["value"] for name, output in answer.items()}
        return self._outputs[stage]

    def _stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def _apply_stage(self, stage: Stage) -> None:
        plan = self._plan_stage(stage)
        if plan is None:
            return
        if without := untagged(plan):
            raise Untagged(f"{stage.name} is not applied: {', '.join(without)} would lack mandatory tags.")
        self._terraform(stage, "apply", "-input=false", "plan.bin")
        self._outputs.pop(stage.name, None)
        self.created[stage.name] = sum(change["mode"] == "managed" for change in plan["resource_changes"])

    def _plan_stage(self, stage: Stage, *options: str) -> Any:
        """The plan in its JSON form, which costs seconds to get; None where it changes nothing."""
        self._write_values(stage)
        if "No changes." in self._terraform(stage, "plan", "-input=false", "-out=plan.bin", *options):
            return None
        return json.loads(self._terraform(stage, "show", "-json", "plan.bin"))

    def _prepare(self, stage: Stage) -> None:
        """Once for each stage, and before it waits for others: their waiting costs nothing then."""
        if not _initialised(stage.folder):
            self._write_backend(stage)
            self._terraform(stage, "init", "-input=false")
        if stage.name not in self._valid:
            self._terraform(stage, "validate")
            self._valid.add(stage.name)

    def _move_state(self, stage: Stage) -> None:
        """To where `state_bucket` says, from where it is."""
        self._write_backend(stage)
        self._terraform(stage, "init", "-input=false", "-migrate-state", "-force-copy")

    def _write_backend(self, stage: Stage) -> None:
        backend = stage.folder / "backend.tf"
        if self.state_bucket:
            region = str(project_file()["region"])
            backend.write_text(_BACKEND.format(bucket=self.state_bucket, stage=stage.name, region=region))
        else:
            backend.unlink(missing_ok=True)

    def _destroy_stage(self, stage: Stage) -> None:
        if stage.name == FOUNDATIONS and self.state_bucket:
            self.state_bucket = None  # the bucket goes away, so its own state cannot be in it
            self._move_state(stage)
        self._terraform(stage, "destroy", "-input=false", "-auto-approve")
        self._outputs.pop(stage.name, None)

    def _write_values(self, stage: Stage) -> None:
        """stage.auto.tfvars.json: the operator's values and the outputs of earlier stages."""
        given = {name: value for name, value in self.variables.items() if name in stage.variables}
        known = {source: self.outputs(source) for source in sorted(set(stage.inputs.values()))}
        if missing := [
            f"{source}.{name}" for name, source in stage.inputs.items() if name not in known[source]
        ]:
            raise StageFailed(f"{stage.name} needs {', '.join(missing)}: apply that stage first.")
        taken = {name: known[source][name] for name, source in stage.inputs.items()}
        (stage.folder / "stage.auto.tfvars.json").write_text(json.dumps(given | taken), encoding="utf-8")

    def _terraform(self, stage: Stage, command: str, *arguments: str) -> str:
        started = time.monotonic()
        done = subprocess.run(  # nosec B603 B607
            ["terraform", command, "-no-color", *arguments],
            cwd=stage.folder,
            env=self._process_environment,
            capture_output=True,
            text=True,
            check=False,
        )
        key = (stage.name, command)
        self.seconds[key] = self.seconds.get(key, 0.0) + time.monotonic() - started
        if done.returncode:
            said = "\n".join([*done.stdout.splitlines()[-20:], done.stderr])
            raise StageFailed(f"terraform {command} in {stage.name} failed:\n{said}")
        return done.stdout

    def _in_order(
        self, work: Callable[[Stage], None], after: Callable[[Stage], set[str]], names: Sequence[str] = ()
    ) -> None:
        """Does the work of the named stages (none: all) at once, each waiting for those it comes after."""
        chosen = [stage for stage in self.stages if not names or stage.name in names]
        begun: dict[str, Future[None]] = {}

        def run(stage: Stage) -> None:
            self._prepare(stage)
            for name in after(stage):
                begun[name].result()
            work(stage)

        with ThreadPoolExecutor(len(chosen)) as pool:
            for stage in _sorted(chosen, after):
                begun[stage.name] = pool.submit(run, stage)
        for done in begun.values():
            done.result()


_BACKEND = """\
terraform {{
  backend "s3" {{
    bucket       = "{bucket}"
    key          = "{stage}.tfstate"
    region       = "{region}"
    encrypt      = true
    use_lockfile = true
  }}
}}
"""


def _initialised(folder: Path) -> bool:
    """Whether an `init` has ended well in the folder, and no file of the stage has changed since."""
    done = folder / ".terraform/modules/modules.json"
    if not (folder / ".terraform/providers").exists() or not done.exists():
        return False
    return all(path.stat().st_mtime <= done.stat().st_mtime for path in folder.glob("*.tf"))


def _takes_from(stage: Stage) -> set[str]:
    return set(stage.inputs.values())


def _among(after: Callable[[Stage], set[str]], names: Sequence[str]) -> Callable[[Stage], set[str]]:
    """The same order among the named stages: the others are there already."""
    return lambda stage: after(stage) & set(names)


def _sorted(stages: Sequence[Stage], after: Callable[[Stage], set[str]]) -> Iterator[Stage]:
    """The stages so that each follows those it comes after."""
    waiting = list(stages)
    placed: set[str] = set()
    while waiting:
        ready = [stage for stage in waiting if after(stage) <= placed]
        if not ready:
            names = ", ".join(stage.name for stage in waiting)
            raise StageFailed(f"{names} take inputs from each other, or from stages that do not exist.")
        yield from ready
        placed |= {stage.name for stage in ready}
        waiting = [stage for stage in waiting if stage.name not in placed]


def copy_files(work: Path, root: Path = ROOT) -> Path:
    """Copies what the stages read to `work`, over what is there; states that are there stay."""
    for folder in READ_BY_STAGES:
        ignored = shutil.ignore_patterns("__pycache__", ".terraform", "*.tfstate*")
        shutil.copytree(root / folder, work / folder, dirs_exist_ok=True, ignore=ignored)
    shutil.copy(root / "project.json", work)
    return work


_LOCAL_PROVIDER = """\
provider "aws" {
  s3_use_path_style = true
}
"""
_LOCAL_TRANSPORT = """\
locals {
  insecure = {
    Bool         = { "aws:SecureTransport" = "false" }
    NotIpAddress = { "aws:SourceIp" = "127.0.0.1/32" }
  }
}
"""


def point_to(endpoint_url: str, work: Path) -> dict[str, str]:
    """Makes the copied stages talk to a local cloud; returns the environment they need for it.

    By override files, for two reasons. A bucket's own host name, which S3 clients prefer, cannot be had on
    loopback. And the local cloud speaks plain HTTP there, which the buckets' TLS-only policy refuses.
    """
    for stage in read_stages(work / "terraform"):
        (stage.folder / "local_override.tf").write_text(_LOCAL_PROVIDER)
    (work / "terraform/00_foundations/transport_override.tf").write_text(_LOCAL_TRANSPORT)
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # nosec B105 - the local cloud's fixed key
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def operator_variables(
    work: Path, names: Names, owner: str, cost_center: str, github_repository: str
) -> dict[str, Any]:
    """Values of the variables that no stage gives: who, what for, which code, and who deploys it."""
    version = bundles.write_archives(work / "build", work)
    bundle = f"s3://{names['data_bucket']}/pipeline/code/{version}/pipeline_code.tar.gz"
    return {
        "environment": names.env,
        "owner": owner,
        "cost_center": cost_center,
        "github_repository": github_repository,
        "code_version": version,
        "code_bundle_uri": bundle,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """The command: works in build/terraform on the account of the environment's AWS credentials."""
    parser = argparse.ArgumentParser("python -m scripts.terraform_stages", description=main.__doc__)
    parser.add_argument("command", choices=("bootstrap", "plan", "apply", "deploy", "destroy"))
    for option in ("--environment", "--owner", "--cost-center", "--github-repository", "--account-id"):
        parser.add_argument(option, required=True)
    parser.add_argument("--report", type=Path, help="file for the plan in Markdown")
    chosen = parser.parse_args(argv)
    work = copy_files(ROOT / "build/terraform" / chosen.environment)
    names = Names(chosen.environment, chosen.account_id)
    values = operator_variables(work, names, chosen.owner, chosen.cost_center, chosen.github_repository)
    runner = Runner(work, values, state_bucket=names["state_bucket"])
    try:
        plans = getattr(runner, chosen.command)()
    except (StageFailed, GuardsChanged, Untagged) as error:
        sys.exit(str(error))
    if plans is not None:
        text = plan_report(plans, chosen.environment)
        print(text)
        if chosen.report:
            chosen.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
