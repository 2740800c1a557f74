"""What the programs share: one command line, and the flags of several."""
