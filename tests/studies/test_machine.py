"""What is said of the machine."""

from mvhg_tf.studies import machine


def test_machine_description_names_versions_and_no_host():
    text = machine.description()
    assert "tensorflow" in text and "cores" in text and "/" not in text
