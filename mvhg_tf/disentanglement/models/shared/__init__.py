"""What all autoencoders share: posteriors, reconstruction, and a replica's step."""
