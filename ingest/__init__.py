"""The ingress: accepts webhooks over HTTP and appends them to the raw topic."""
