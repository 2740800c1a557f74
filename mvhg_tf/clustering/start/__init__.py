"""What training starts from: networks, clusters of their embeddings, and a mixture.

`pretraining` runs all the steps. `em` finds clusters of equal or of any size; `search`
chooses between them, by `separation`; `whitening` turns the embeddings to suit the
mixture. `layer_wise` and `jiang_weights` initialise the networks as in earlier work,
and `start_file` saves a start.
"""
