"""What happens in simulated shops, in no platform's format."""
