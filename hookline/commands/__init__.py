"""One module per noun of the command line. What they import of the stages they import late."""
