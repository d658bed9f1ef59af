"""The shops file: checking, editing, webhook URLs, traffic and payload drift."""
