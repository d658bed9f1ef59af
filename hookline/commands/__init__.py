"""One module for each command. They import stages only when the command runs."""
