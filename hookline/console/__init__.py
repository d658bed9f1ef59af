"""Terminal output, errors, escaping, help texts and time arguments of the command line."""
