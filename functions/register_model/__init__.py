"""Lambda of state `RegisterModel`."""
