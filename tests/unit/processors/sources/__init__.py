"""One test file per adapter, and one per rule that adapters share."""
