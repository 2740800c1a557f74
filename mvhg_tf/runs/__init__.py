"""What any run needs: its gin configuration, folder, checkpoints, and terminal."""
