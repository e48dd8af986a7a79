"""What the local cloud adds to MiniStack: one module for each registration point it uses.

Each module has an `install()` that puts its functions into MiniStack's registries. A contract test
(`tests/localcloud/test_registration_points.py`) fails when a pinned version no longer has them.
"""
