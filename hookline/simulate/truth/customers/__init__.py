"""What customers are worth, one row for each currency."""
