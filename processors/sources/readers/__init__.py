"""Reads fields, money, times and contacts from platforms' documents."""
