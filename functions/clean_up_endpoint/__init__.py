"""Lambda of the states that take staging down: `CleanUpStaging` and those of the other ends."""
