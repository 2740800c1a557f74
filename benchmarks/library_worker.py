"""Trains the library's own models for the benchmark, by TensorFlow 2.15's Estimator.

    python library_worker.py LIBRARY IMAGES MODEL BATCH_SIZE

LIBRARY is a checkout of disentanglement_lib with `methods/weak`; IMAGES a `.npy` file
of uint8 images and one of factor sizes (see `library_code`); MODEL such as
"group_vae_labels", or "data" to draw batches only. Each line of the input is a number
of steps to train; the answer is the seconds they took. Nothing of the library is
changed: it gets the modules that TensorFlow 2 no longer has.
"""

import os
import sys
import tempfile
import time
import types

import numpy as np
import tensorflow as tf


def provide_contrib() -> None:
    """Stands in for `tensorflow.contrib.tpu`, which only moved."""
    from tensorflow_estimator.python.estimator.tpu import tpu_config, tpu_estimator

    contrib, tpu = types.ModuleType("contrib"), types.ModuleType("tpu")
    for module in (tpu_config, tpu_estimator):
        tpu.__dict__.update({k: v for k, v in vars(module).items() if k[0] != "_"})
    contrib.tpu = tpu
    sys.modules["tensorflow.contrib"] = contrib
    sys.modules["tensorflow.contrib.tpu"] = tpu


def load_data(path: str):
    """The data set of the images at `path`, as a `GroundTruthData` of the library."""
    from disentanglement_lib.data.ground_truth import ground_truth_data

    images = np.load(path)
    sizes = np.load(path + ".sizes.npy")

    class Images(ground_truth_data.GroundTruthData):
        num_factors = len(sizes)
        factors_num_values = sizes.tolist()
        observation_shape = list(images.shape[1:])

        def sample_factors(self, num, random_state):
            return random_state.randint(sizes, size=(num, len(sizes)))

        def sample_observations_from_factors(self, factors, random_state):
            rows = np.ravel_multi_index(tuple(factors.T), sizes)
            return images[rows] / np.float32(255)

    return Images()


class AnswerRequests(tf.compat.v1.train.SessionRunHook):
    """Reads how many steps to take, and prints how long they took."""

    def __init__(self):
        self._left = 0

    def before_run(self, run_context):
        if self._left == 0:
            line = sys.stdin.readline()
            if not line:
                os._exit(0)  # the benchmark is over, there is nothing to save
            self._left = int(line)
            self._started = time.perf_counter()

    def after_run(self, run_context, run_values):
        self._left -= 1
        if self._left == 0:
            print(time.perf_counter() - self._started, flush=True)


def read_batches(make_input, batch_size: int) -> None:
    """Answers requests as `AnswerRequests` does, without a model."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        batch = make_input({"batch_size": batch_size})
        for line in sys.stdin:
            started = time.perf_counter()
            for _ in range(int(line)):
                session.run(batch)
            print(time.perf_counter() - started, flush=True)


def main() -> None:
    library, images, model, batch_size = sys.argv[1:]
    sys.path.insert(0, library)
    provide_contrib()
    import gin.tf
    from disentanglement_lib.methods.weak import train_weak_lib, weak_vae

    gin.parse_config(
        [
            "dynamics.k = 2",
            "encoder.num_latent = 10",
            "encoder.encoder_fn = @conv_encoder",
            "decoder.decoder_fn = @deconv_decoder",
            "reconstruction_loss.loss_fn = @bernoulli_loss",
            "vae_optimizer.optimizer_fn = @AdamOptimizer",
        ]
    )
    make_input = train_weak_lib._make_input_fn(load_data(images), 0)
    if model == "data":
        read_batches(make_input, int(batch_size))
        return
    classes = {
        "group_vae_labels": weak_vae.GroupVAELabels,
        "group_vae_argmax": weak_vae.GroupVAEArgmax,
        "mlvae_labels": weak_vae.MLVaeLabels,
        "mlvae_argmax": weak_vae.MLVaeArgmax,
    }
    with tempfile.TemporaryDirectory() as folder:
        estimator = train_weak_lib.TPUEstimator(
            use_tpu=False,
            model_fn=classes[model](beta=1.0).model_fn,
            model_dir=folder,
            train_batch_size=int(batch_size),
            config=train_weak_lib.tpu_config.RunConfig(tf_random_seed=0),
        )
        estimator.train(make_input, hooks=[AnswerRequests()], steps=10**9)


if __name__ == "__main__":
    main()
