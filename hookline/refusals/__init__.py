"""One refused delivery: why in plain English, its body with the field, what a replay gives."""
