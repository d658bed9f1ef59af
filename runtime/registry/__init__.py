"""The schema registry: used at registration, at start-up and for schemas newer than ours."""
