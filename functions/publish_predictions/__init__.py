"""Lambda of state `PublishPredictions`."""
