import re

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.runs.errors import UserError, sentence_and_code

SENTENCE = "The scale is 0, but must be positive: bind it to a positive number."


class Refusing(keras.layers.Layer):
    def call(self, inputs):
        raise UserError(SENTENCE)


def refuse(inputs):
    raise UserError(SENTENCE)


@gin.configurable("errors_test_refuse")
def refuse_in_gin(inputs):
    return refuse(inputs)


def refuse_in_layer(inputs):
    return Refusing()(inputs)


@gin.configurable("errors_test_refuse_deep")
def refuse_deep(inputs):
    return tf.function(refuse_in_layer)(inputs)


@pytest.mark.parametrize(
    "function",
    [refuse, refuse_in_gin, refuse_in_layer, tf.function(refuse), refuse_deep],
    ids=["plain", "gin", "layer", "traced", "deep"],
)
def test_the_sentence_is_told_alone(function):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        function(tf.ones([2, 3]))
    assert sentence_and_code(raised.value) == (SENTENCE, 2)


def test_a_sentence_in_place_of_another_is_kept():
    with pytest.raises(UserError) as raised:
        try:
            raise UserError(SENTENCE)
        except UserError as error:
            raise UserError("This layer can't be made: choose another.") from error
    sentence = "This layer can't be made: choose another."
    assert sentence_and_code(raised.value) == (sentence, 2)


def test_a_defect_after_a_mistake_that_was_dealt_with_is_a_defect():
    with pytest.raises(ZeroDivisionError) as raised:
        try:
            raise UserError(SENTENCE)
        except UserError:
            print(1 / 0)
    assert sentence_and_code(raised.value) is None


def too_large_for_tensorflow():
    tf.zeros([2**21, 2**21]) + 1.0


def too_large_for_numpy():
    np.ones([2**21, 2**21])


@pytest.mark.parametrize("function", [too_large_for_tensorflow, too_large_for_numpy])
def test_what_does_not_fit_into_memory_is_one_sentence(function):
    with pytest.raises((MemoryError, tf.errors.OpError)) as raised:
        function()
    sentence, code = sentence_and_code(raised.value)
    assert re.search("^Memory.*ran out.*2097152, ?2097152.*: use a smaller", sentence)
    assert code == 1


def test_memory_that_does_not_say_for_what():
    sentence, code = sentence_and_code(MemoryError())
    assert sentence.startswith("Memory ran out: use") and code == 1


def test_what_the_system_refuses_is_one_sentence(tmp_path):
    with pytest.raises(OSError, match="directory") as raised:
        open(tmp_path / "missing" / "file", "w")  # noqa: SIM115
    sentence, code = sentence_and_code(raised.value)
    assert sentence == (
        f"Reading or writing {tmp_path}/missing/file failed (No such file or "
        "directory): fix "
        "that, and run this again."
    )
    assert code == 1
