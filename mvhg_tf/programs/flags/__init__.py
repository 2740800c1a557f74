"""What the programs share: one command line, common flags, and what they print."""
