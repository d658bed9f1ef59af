"""The command line and the local stack: the top layer, the only one that imports all stages."""
