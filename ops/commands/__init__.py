"""The commands of `titanic`, one module each. Nothing slow is imported before a command runs."""
