"""What Hookline is held against: small programs that do the same work in another way."""
