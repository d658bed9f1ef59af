"""Sends example webhooks with the signature or token of their platform."""
