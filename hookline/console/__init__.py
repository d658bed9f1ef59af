"""Terminal output, errors, escaping and time arguments of the command line."""
