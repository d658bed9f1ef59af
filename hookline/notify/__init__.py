"""Messages about the pipeline and the shops, to a signed webhook and by e-mail."""
