"""Lambda of state `RejectModel`."""
