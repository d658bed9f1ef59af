"""What-if analysis and customer lifetime prediction."""
