"""Lambda of schedule `nightly_staging_shutdown`."""
