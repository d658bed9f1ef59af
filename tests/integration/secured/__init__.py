"""TLS and the rights of the stages."""
