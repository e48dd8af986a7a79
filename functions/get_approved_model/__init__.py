"""Lambda of state `GetApprovedModel`."""
