"""Bytes in, raw topic out: Starlette, uvicorn, aiokafka."""
