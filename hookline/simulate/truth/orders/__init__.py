"""What orders are worth, by the law and in exact fractions."""
