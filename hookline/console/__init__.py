"""Terminal output, escaping, help texts and time arguments of the command line."""
