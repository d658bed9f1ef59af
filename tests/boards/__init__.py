"""The boards for Grafana in ``docs/boards``, written by ``python -m tests.boards``."""
