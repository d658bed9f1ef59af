"""The parts of ``tests.faults.streams_comparison``; the application is under ``src/``."""
