"""The command-line programs, with the names and flags of disentanglement_lib's."""
