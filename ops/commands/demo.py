"""`titanic demo`: the whole story on the local cloud, from nothing to a model that answers in prod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.commands.options import EnforceIam, Port
from ops.errors import ExitCode
from ops.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.registry import ModelVersion
    from ops.report import RunReport
    from ops.runs import Run
    from ops.target import Target


def demo(
    port: Port = None,
    enforce_iam: EnforceIam = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the local cloud running at the end.")] = False,
) -> None:
    """Train a model on the real table, approve it, predict with it and put it to prod, on this machine.

    Starts the local cloud and deploys the project into it. Trains on 891 passengers, approves the model as
    a person would, predicts for the 418 who were kept aside, compares that with what became of them, and
    in the end lets the model go live, past staging. A local cloud that already runs is used and left running.

    \b
    Examples:
        titanic demo
        titanic demo --keep
    """
    from ops import local

    out = Output()
    with local.cloud(out, port=port, enforce_iam=enforce_iam) as started:
        out.note(started.words)
        there = local.target(started.cloud, "dev")
        local.deploy(there, out)
        local.put_example_tables(there)
        code = Story(there, out, stop_on_interrupt=not started.is_new).tell()
        started.keep = keep
    if started.is_new and not keep:
        out.note("To go on from here, bring it back first: titanic up --detach")
    raise typer.Exit(code)


class Story:
    """The demo's chapters. One that does not end well is the last."""

    def __init__(self, there: Target, out: Output, *, stop_on_interrupt: bool) -> None:
        self.there = there
        self.out = out
        self.stop_on_interrupt = stop_on_interrupt

    def tell(self) -> ExitCode:
        from ops import render, report

        self.out.header(self.there)
        trained = self._train()
        if trained.model is None or trained.run.decision != "registered":
            render.report(self.out.result, trained)
            return report.exit_code(trained.run)
        render.outcome(self.out.result, trained)
        self._approve(trained.model.version)
        predicted = self._predict()
        if predicted.predictions is None:
            render.report(self.out.result, predicted)
            return report.exit_code(predicted.run)
        render.outcome(self.out.result, predicted)
        self._compare(predicted.predictions.uri, trained)
        promoted = self._promote(trained.model)
        if promoted.run.decision != "promoted":
            render.report(self.out.result, promoted)
            return report.exit_code(promoted.run)
        render.outcome(self.out.result, promoted)
        self._ask_prod()
        self._end(trained, predicted, promoted)
        return ExitCode.OK

    def _train(self) -> RunReport:
        from ops import local, runs

        self._chapter("1  A table becomes a model")
        local.put_raw_table(self.there, self.out)
        return self._run(runs.TRAINING, {})

    def _approve(self, version: int) -> None:
        """What the person does to whom the alert about the run went."""
        from ops import registry
        from ops.commands.models import verdict_in_words

        self._chapter("2  A person approves it")
        self.out.note(f"$ titanic approve {version} --reason 'approved by the demo'")
        verdict = registry.decide(self.there, version, registry.APPROVED, "approved by the demo")
        self.out.note(verdict_in_words(verdict))

    def _predict(self) -> RunReport:
        from ops import local, runs

        self._chapter("3  New passengers come, and the model predicts who survives")
        source_uri = local.put_new_passengers(self.there, self.out)
        return self._run(runs.BATCH_INFERENCE, {"source_uri": source_uri})

    def _compare(self, predictions_uri: str, trained: RunReport) -> None:
        """The predictions beside the labels, which no job has ever seen."""
        from ops import local, render
        from ops.dataset import ID, TARGET
        from ops.predictions import read_rows
        from ops.scoring import score

        self._chapter("4  It becomes known who survived")
        tables = local.tables()
        survived = {row[ID]: row[TARGET] == "1" for row in tables.labels}
        probabilities = dict(read_rows(self.there, predictions_uri))
        names = {row[ID]: row["Name"] for row in tables.new_passengers}
        render.fates(self.out.result, probabilities, survived, names)
        render.score(self.out.result, score(probabilities, survived), trained.metrics)

    def _promote(self, version: ModelVersion) -> RunReport:
        """The promotion that the approval has started; the person at its gate is played here."""
        from ops import gate, report

        self._chapter("5  The model goes live, past staging and a person")
        run = gate.started_by_approval(self.there, version.arn)
        self.out.note(f"The approval has started promotion run {run.run_id}.")
        return self._watch(run, {report.GATE: lambda: self._confirm(run)})

    def _confirm(self, run: Run) -> None:
        """What the person does to whom the promotion's question went."""
        from ops import gate
        from ops.commands.promote import answer_in_words

        gate.wait_until_asked(self.there, run)
        reason = "staging passed its smoke test"
        self.out.note(f"$ titanic confirm {run.run_id} --reason '{reason}'")
        self.out.note(answer_in_words(gate.answer(self.there, run, reason, confirmed=True)))

    def _ask_prod(self) -> None:
        """The contract's two passengers, asked as any client would."""
        from functions.common.smoke import as_csv, read_contract
        from ops import render
        from ops.endpoints import CSV, PROD, endpoint_name, invoke

        name, golden = endpoint_name(self.there, PROD), read_contract()["golden_rows"]
        said = invoke(self.there, name, as_csv([row["features"] for row in golden]), CSV)
        asked = [(row["name"], as_csv([row["features"]]).decode().strip()) for row in golden]
        self.out.result.print()
        render.answers(self.out.result, name, asked, [float(line) for line in said.body.split()])

    def _end(self, *told: RunReport) -> None:
        from ops import render

        self._chapter("Where everything lies")
        for each in told:
            render.places(self.out.result, each)
            self.out.result.print()
        alerts = ("titanic alerts", "shows what people were told about the runs")
        runs = ("titanic runs", "lists them; `titanic runs show RUN` tells one again, state by state")
        ask = ("titanic endpoints", "lists what answers; `titanic invoke prod` asks it")
        render.next_commands(self.out.result, [alerts, runs, ask])

    def _chapter(self, title: str) -> None:
        from rich.text import Text

        self.out.result.print()
        self.out.result.print(Text(title, style="bold underline"))

    def _run(self, kind: str, execution_input: Any) -> RunReport:
        """One run, from its start to its end."""
        from ops import runs

        run = runs.start_run(self.there, kind, execution_input, by="demo")
        self.out.note(f"{run.title} run {run.run_id} has started.")
        return self._watch(run)

    def _watch(self, run: Run, at_state: Mapping[str, Callable[[], object]] | None = None) -> RunReport:
        """To the run's end. On Ctrl-C it is stopped where the cloud goes on without us."""
        from ops import report, runs, watch

        try:
            history = watch.watch(self.there, run.execution_arn, self.out.result, at_state)
        except BaseException:
            if self.stop_on_interrupt:
                self._stop(run)
            raise
        return report.gather(self.there, runs.describe_run(self.there, run.execution_arn), history)

    def _stop(self, run: Run) -> None:
        self.there.client("stepfunctions").stop_execution(
            executionArn=run.execution_arn, error="Interrupted", cause="The demo was interrupted."
        )
        self.out.note(f"{run.title} run {run.run_id} is stopped.")
