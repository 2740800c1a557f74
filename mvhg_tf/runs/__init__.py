"""What every run needs: a gin configuration, a folder, checkpoints and a terminal."""
