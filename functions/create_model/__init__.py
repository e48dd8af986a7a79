"""Lambda of state `CreateModel`."""
