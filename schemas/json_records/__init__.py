"""Records of topics of ours that are JSON: decisions, erasures, heartbeats."""
