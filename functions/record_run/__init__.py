"""Lambda of states `RecordRegistered`, `RecordRejected` and `RecordFailure`."""
