"""Dead letters: listing, discarding and replaying them."""
