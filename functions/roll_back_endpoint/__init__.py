"""Lambda of state `RollBackProd`."""
