"""Lambda of state `RequestApproval`."""
