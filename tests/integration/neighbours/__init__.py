"""Registries, clients and versions that are not ours."""
