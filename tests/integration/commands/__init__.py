"""Commands that read a running stack."""
