"""`titanic demo`: the whole story on the local cloud, from nothing to predictions that turn out right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.commands.options import EnforceIam, Port
from ops.errors import ExitCode
from ops.output import Output

if TYPE_CHECKING:
    from ops.report import RunReport
    from ops.runs import Run
    from ops.target import Target


def demo(
    port: Port = None,
    enforce_iam: EnforceIam = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the local cloud running at the end.")] = False,
) -> None:
    """Train a model on the real table, approve it and predict with it, on this machine.

    Starts the local cloud and deploys the project into it. Trains on 891 passengers, approves the model as
    a person would, predicts for the 418 who were kept aside, and in the end compares that with what became
    of them. A local cloud that already runs is used and left running.

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
        self._end(trained, predicted)
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

    def _end(self, trained: RunReport, predicted: RunReport) -> None:
        from ops import render

        self._chapter("Where everything lies")
        render.places(self.out.result, trained)
        self.out.result.print()
        render.places(self.out.result, predicted)
        self.out.result.print()
        alerts = ("titanic alerts", "shows what people were told about both runs")
        runs = ("titanic runs", "lists them; `titanic runs show RUN` tells one again, state by state")
        render.next_commands(self.out.result, [alerts, runs])

    def _chapter(self, title: str) -> None:
        from rich.text import Text

        self.out.result.print()
        self.out.result.print(Text(title, style="bold underline"))

    def _run(self, kind: str, execution_input: Any) -> RunReport:
        """One run, watched to its end. On Ctrl-C it is stopped where the cloud goes on without us."""
        from ops import report, runs, watch

        run = runs.start_run(self.there, kind, execution_input, by="demo")
        self.out.note(f"{run.title} run {run.run_id} has started.")
        try:
            history = watch.watch(self.there, run.execution_arn, self.out.result)
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
