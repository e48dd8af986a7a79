"""Lambda of state `EvalMetrics`."""
