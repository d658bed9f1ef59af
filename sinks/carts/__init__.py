"""The pure rules of abandoned carts."""
