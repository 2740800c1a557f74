"""Training batches as functions of (seed, step): images, pairs, labelled images."""
