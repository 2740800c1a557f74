"""Training that one controls: signals, more steps, an early end, the best step."""

import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.steps import held_out, training, training_loop
from mvhg_tf.runs.errors import RunInterrupted, Terminated, UserError
from mvhg_tf.runs.run_directory import AlreadyFinished

BINDINGS = [
    "dataset.name = 'arm3d'",
    "model.model = @vae()",
    "vae.beta = 1.0",
    "model.batch_size = 4",
    "model.eval_steps = 2",
    "model.random_seed = 3",
    "train.log_steps = 5",
    "train.checkpoint_steps = 10",
    "train.image_steps = 0",
    "train.held_out_batches = 2",
    "encoder.num_latent = 3",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
]


def train(model_dir, steps, *bindings, **arguments):
    more = [f"model.training_steps = {steps}", *bindings]
    training.train_with_gin(
        str(model_dir), gin_bindings=[*BINDINGS, *more], **arguments
    )
    return model_dir


def tensors(path):
    reader = tf.train.load_checkpoint(str(path))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE")
    }


def newest(model_dir):
    return tf.train.latest_checkpoint(os.path.join(model_dir, "checkpoints"))


def assert_same_end(model_dir, other):
    ours, theirs = tensors(newest(model_dir)), tensors(newest(other))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole") / "model", 20)


@pytest.fixture
def signal_at(monkeypatch):
    """Has a signal come within the call of the compiled loop that reaches a step."""

    def arrange(number, step):
        loop = training_loop.compiled_loop

        def made(model, *args, **kwargs):
            run_steps = loop(model, *args, **kwargs)

            def run(num_steps):
                # Short calls, so that the step is within a log interval.
                logs = run_steps(tf.minimum(num_steps, 1))
                if int(model.step) == step:
                    os.kill(os.getpid(), number)
                return logs

            return run

        monkeypatch.setattr(training_loop, "compiled_loop", made)

    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield arrange
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_leaves_a_checkpoint_of_its_step(
    signal_at, monkeypatch, tmp_path, whole, number
):
    with monkeypatch.context():
        signal_at(number, 7)
        with pytest.raises(RunInterrupted) as caught:
            train(tmp_path / "m", 20)
    assert caught.value.place == "step 7"
    came = caught.value.__cause__.__cause__ or caught.value.__cause__
    assert isinstance(came, Terminated) is (number == signal.SIGTERM)
    assert newest(tmp_path / "m").endswith("ckpt-7")
    monkeypatch.undo()
    train(tmp_path / "m", 20)
    assert_same_end(tmp_path / "m", whole)


def test_more_steps_go_on_from_the_last(tmp_path, whole, monkeypatch):
    folder = train(tmp_path / "m", 10)
    started = []
    loop = training_loop.compiled_loop
    monkeypatch.setattr(
        training_loop,
        "compiled_loop",
        lambda model, source, step, *rest: (
            started.append(step) or loop(model, source, step, *rest)
        ),
    )
    train(folder, 20)
    assert started == [10]
    assert_same_end(folder, whole)
    with pytest.raises(AlreadyFinished):
        train(folder, 20)


@pytest.mark.parametrize(
    ("steps", "other", "message"),
    [
        (10, [], "another configuration .there model.training_steps = 20, here"),
        (30, ["model.random_seed = 4"], "another configuration"),
        (20, ["vae.beta = 2.0"], "there vae.beta = 1.0, here vae.beta = 2.0"),
    ],
)
def test_a_finished_run_that_differs_otherwise_is_refused(whole, steps, other, message):
    before = sorted(path for path in whole.rglob("*"))
    with pytest.raises(UserError, match=message):
        train(whole, steps, *other)
    assert sorted(path for path in whole.rglob("*")) == before


@pytest.mark.slow
def test_steps_may_be_a_macro(tmp_path):
    macros = ["model.training_steps = %STEPS", "STEPS = {}"]
    train(tmp_path / "m", 1, macros[0], macros[1].format(5))
    train(tmp_path / "m", 1, macros[0], macros[1].format(10))
    assert newest(tmp_path / "m").endswith("ckpt-10")


@pytest.mark.slow
def test_an_extension_that_was_stopped_goes_on(signal_at, monkeypatch, tmp_path, whole):
    folder = train(tmp_path / "m", 10)
    signal_at(signal.SIGTERM, 17)
    with pytest.raises(RunInterrupted):
        train(folder, 20)
    monkeypatch.undo()
    with pytest.raises(UserError, match="training_steps is 15, but .* taken 17 steps"):
        train(folder, 15)
    train(folder, 20)
    assert_same_end(folder, whole)


@pytest.fixture
def held_out_elbos(monkeypatch):
    """Sets what is seen of the held-out data, look by look."""

    def arrange(*elbos):
        look, left = held_out.HeldOut.look, list(elbos)

        def found(self, num_batches):
            seen = look(self, num_batches)
            return seen._replace(losses={**seen.losses, "elbo": left.pop(0)})

        monkeypatch.setattr(held_out.HeldOut, "look", found)

    return arrange


PATIENT = ["train.held_out_steps = 5", "train.patience = 2", "train.keep_best = True"]


def test_training_ends_when_the_held_out_loss_is_no_better(
    held_out_elbos, tmp_path, whole, capfd
):
    held_out_elbos(-5.0, -3.0, -4.0, -3.0)
    folder = train(tmp_path / "m", 100, *PATIENT)
    assert newest(folder).endswith("ckpt-20")
    said = capfd.readouterr().err
    assert "ends at step 20: the held-out elbo was best at step 10 (train.pat" in said
    best = folder / "checkpoints" / "best"
    assert [path.stem for path in best.glob("*.index")] == ["ckpt-10"]
    # The last one is kept as well, and what is exported is the best.
    last, of_best = tensors(newest(folder)), tensors(best / "ckpt-10")
    kernel = "optimizer/_trainable_variables/0/.ATTRIBUTES/VARIABLE_VALUE"
    assert np.any(last[kernel] != of_best[kernel])
    np.testing.assert_array_equal(last[kernel], tensors(newest(whole))[kernel])
    saved = tf.saved_model.load(str(folder / "tfhub")).signatures["gaussian_encoder"]
    pixel = np.zeros([1, 64, 64, 3], np.float32)
    pixel[0, 0, 0, 0] = 1.0
    means = [saved(images=tf.constant(x))["mean"].numpy() for x in (pixel, 0 * pixel)]
    np.testing.assert_allclose(
        (means[0] - means[1])[0], of_best[kernel][0], rtol=1e-3, atol=1e-7
    )


@pytest.mark.slow
def test_how_long_was_waited_survives_a_stop(
    held_out_elbos, signal_at, monkeypatch, tmp_path
):
    held_out_elbos(-5.0, -3.0, -4.0)
    signal_at(signal.SIGINT, 17)
    with pytest.raises(RunInterrupted):
        train(tmp_path / "m", 100, *PATIENT)
    monkeypatch.undo()
    held_out_elbos(-6.0)
    train(tmp_path / "m", 100, *PATIENT)
    assert newest(tmp_path / "m").endswith("ckpt-20")


@pytest.mark.parametrize("binding", ["train.patience = 1", "train.keep_best = True"])
def test_without_held_out_losses_there_is_no_best(tmp_path, binding):
    with pytest.raises(UserError, match="but train.held_out_steps is 0, so there are"):
        train(tmp_path / "m", 20, "train.held_out_steps = 0", binding)
