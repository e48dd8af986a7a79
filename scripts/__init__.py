"""What CI and maintainers run beside the `titanic` command."""
