"""Lambda of rule `stopped_runs_rule`: runs that ended from outside."""
