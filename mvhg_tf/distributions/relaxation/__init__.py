"""What the paper's relaxation needs: logarithms of conditional laws in the tails.

`tables.py` the sums of the later groups, `conditionals.py` the law of a group given
the earlier ones, `chunks.py` a batch in parts that fit into memory.
"""
