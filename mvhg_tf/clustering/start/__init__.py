"""What training starts from: networks, clusters of their embeddings, and a mixture.

`pretraining` does it all. `em` finds clusters of equal or of any size; `search` chooses
between them, by `separation`; `whitening` turns the embeddings to suit the mixture.
`layer_wise` and `jiang_weights` start the networks in the ways of others, and
`start_file` keeps a start.
"""
