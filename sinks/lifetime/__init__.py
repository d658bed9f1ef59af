"""The pure rules of customer lifetime value."""
