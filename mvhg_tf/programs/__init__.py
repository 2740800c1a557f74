"""The programs, one a module of the program's name.

`dlib_*` have disentanglement_lib's names and flags. `flags` is what they share. A
program imports what does its work once its flags are right, because TensorFlow takes
seconds.

`python -m mvhg_tf.programs NAME [flags]` runs a program without its script.
"""

# By the programs' names, the modules of this package whose `main` they are.
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
