"""The programs: one module for each, named after it.

`dlib_*` have disentanglement_lib's names and flags. `flags` holds what the programs
share. A program imports its working modules only after its flags have been read,
because importing TensorFlow takes seconds.

`python -m mvhg_tf.programs NAME [flags]` runs a program without its script.
"""

# From a program's name to the module of this package that has its `main`.
PROGRAMS = {
    "dlib_aggregate_results": "dlib_aggregate_results",
    "dlib_download_data": "dlib_download_data",
    "dlib_evaluate": "dlib_evaluate",
    "dlib_postprocess": "dlib_postprocess",
    "dlib_reason": "dlib_reason",
    "dlib_reproduce": "dlib_reproduce",
    "dlib_reproduce_weakly_supervised": "dlib_reproduce_weakly_supervised",
    "dlib_train": "dlib_train",
    "dlib_train_semi_supervised": "dlib_train",
    "dlib_train_weakly_supervised": "dlib_train",
    "dlib_udr": "dlib_udr",
    "dlib_visualize_dataset": "dlib_visualize_dataset",
    "dlib_visualize_model": "dlib_visualize_model",
    "mvhg_cluster": "mvhg_cluster",
    "mvhg_ks_test": "mvhg_ks_test",
    "mvhg_minimal_example": "mvhg_minimal_example",
    "mvhg_reproduce": "mvhg_reproduce",
    "mvhg_setup_programs": "mvhg_setup_programs",
}
