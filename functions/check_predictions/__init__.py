"""Lambda of state `CheckPredictions`."""
