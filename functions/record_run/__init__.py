"""Lambda of the states that record how a run ended."""
