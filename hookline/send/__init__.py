"""Sends example webhooks with the proof that their platform gives."""
