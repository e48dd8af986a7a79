"""Lambda of state `SmokeTest`."""
