"""The paper's experiments and studies, and disentanglement_lib's: what programs run.

    ks/          section 5.1     mvhg_ks_test
    minimal/     appendix B.5.1  mvhg_minimal_example
    weak/        section 5.2     mvhg_reproduce weak
    clustering/  section 5.3     mvhg_reproduce clustering
    library/     disentanglement_lib's own studies: dlib_reproduce and
                 dlib_reproduce_weakly_supervised
    estimators/  bias and variance of the gradient estimators: estimators

`jobs` is what weak, clustering and library share. `references.py` has samplers to
compare with, `text_tables.py` tables as text, and `machine.py` says where it ran.
"""
