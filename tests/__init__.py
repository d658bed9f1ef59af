"""Tests of every kind, and what they share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
