"""The parameters of gin's `model` that only semi-supervised models have."""

import dataclasses

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.sources.labelled_images import (
    LabelledImages,
    sample_labelled_images,
)
from mvhg_tf.runs.errors import UserError


@dataclasses.dataclass(frozen=True)
class Labelling:
    """What `train` is given, all None for a model that sees no labels.

    Attributes:
      model_seed: of the weights and the noise.
      unsupervised_data_seed: of the images without labels.
      supervised_data_seed: of the labelled images and their labels.
      num_labelled_samples: how many images are labelled.
      train_percentage: the fraction of them, in (0, 1], that is trained on.
    """

    model_seed: int | None
    unsupervised_data_seed: int | None
    supervised_data_seed: int | None
    num_labelled_samples: int | None
    train_percentage: float | None

    def seeds_of(self, random_seed: int | None, has_labels: bool) -> dict[str, int]:
        """The seeds of the model and of the fresh images, in this order, by name.

        Raises:
          UserError: if a parameter that the model needs is missing, or one is bound
            that it has no use for.
        """
        own, other = dataclasses.asdict(self), {"random_seed": random_seed}
        names = ["model_seed", "unsupervised_data_seed", "supervised_data_seed"]
        if not has_labels:
            own, other, names = other, own, ["random_seed"]
        missing = [f"model.{name}" for name, value in own.items() if value is None]
        if missing:
            raise UserError(
                f"No value is bound to {', '.join(missing)}: bind one in a gin file or "
                f"with --gin_bindings='{missing[0]} = ...'."
            )
        useless = [
            f"model.{name}" for name, value in other.items() if value is not None
        ]
        if useless:
            kind = "a semi-supervised" if has_labels else "no semi-supervised"
            raise UserError(
                f"{', '.join(useless)} is bound, but model.model is {kind} model, "
                "which does not use it: remove the binding."
            )
        return {name: own[name] for name in names}

    def sample(self, dataset: GroundTruthData) -> tuple[LabelledImages, LabelledImages]:
        """Labelled images of a data set: for training, and for the final losses.

        They are the same where `train_percentage` leaves none for the latter.
        """
        num, seed = self.num_labelled_samples, self.supervised_data_seed
        share = self.train_percentage
        assert num is not None  # as `seeds_of` checked
        assert seed is not None
        assert share is not None
        learned, held_out = sample_labelled_images(dataset, num, seed).split(share)
        return learned, held_out if len(held_out.images) else learned
