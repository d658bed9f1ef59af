"""The dashboard, boards, metrics, traces and messages."""
