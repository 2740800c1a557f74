"""Everything that touches disentanglement_lib: data, models, training, programs."""
