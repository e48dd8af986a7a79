"""Lambda of state `InitRun`."""
