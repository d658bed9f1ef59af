"""Lives of orders, drawn at random: payloads of five platforms, and what they are worth."""
