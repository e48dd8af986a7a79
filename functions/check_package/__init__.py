"""Lambda of state `CheckPackage`."""
