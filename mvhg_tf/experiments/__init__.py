"""The paper's experiments and the measurements, as programs.

A program is a file here, and what it runs is in a folder:

    ks_test.py                            ks/          section 5.1
    minimal_example.py                    minimal/     appendix B.5.1
    reproduce.py                          weak/        section 5.2
                                          clustering/  section 5.3
    dlib_reproduce.py,
    dlib_reproduce_weakly_supervised.py   library/     disentanglement_lib's own studies
    estimators.py                         gradients/   bias and variance of gradients
    benchmark.py                          benchmarks/  speed and memory
    cluster.py                                         runs mvhg_tf.clustering

`studies` is what weak, clustering and library share. All share command_line.py, the
samplers to compare with (references.py) and machine.py.
"""
