"""Lambda of state `VerifyProd`."""
