"""The published files: addresses, sizes, checksums and licenses.

Sizes and checksums are published ones, with their publisher; where nobody publishes
them, there are none. (This is the case for the current files of mpi3d.)
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from mvhg_tf.runs.errors import UserError

_CHUNK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Checksum:
    """A checksum of a file.

    Attributes:
      kind: "sha256", "md5", or "git" for the id that git gives the file's content.
      digest: In hexadecimal.
      publisher: Who publishes it.
    """

    kind: str
    digest: str
    publisher: str

    def fits(self, path: Path) -> bool:
        """Whether a file has this checksum."""
        if self.kind == "git":
            digest = hashlib.sha1(usedforsecurity=False)
            digest.update(b"blob %d\0" % path.stat().st_size)
        else:
            digest = hashlib.new(self.kind, usedforsecurity=False)
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest() == self.digest


@dataclasses.dataclass(frozen=True)
class PublishedFile:
    """A file to be downloaded.

    Attributes:
      url: Its address.
      name: Its name where it is published, and on a mirror.
      saved_as: Its name in the data set's folder; an archive (`.gz`, `.h5`) is deleted
        there once it is unpacked.
      num_bytes: Its size, if that is published.
      checksum: If one is published.
    """

    url: str
    name: str
    saved_as: str
    num_bytes: int | None = None
    checksum: Checksum | None = None

    @property
    def is_archive(self) -> bool:
        return self.saved_as.endswith((".gz", ".h5"))


@dataclasses.dataclass(frozen=True)
class PublishedDataSet:
    """A data set, or a part of one, that can be downloaded.

    Attributes:
      name: The value of `--dataset`.
      folder: Subfolder of the data folder, where the loaders look.
      files: What is downloaded.
      unpacked_bytes: The additional space that the unpacked data take, approximately.
      license: The terms, in their publisher's words where these are few.
      source: The page that describes it.
    """

    name: str
    folder: str
    files: tuple[PublishedFile, ...]
    unpacked_bytes: int
    license: str
    source: str


_IMAGE_BYTES = 64 * 64 * 3
_SIX_COLORS, _FOUR_COLORS = 1_036_800, 460_800  # images of mpi3d's two layouts
_NYU = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"


def _smallnorb_file(part: str, num_bytes: int, sha256: str) -> PublishedFile:
    name = f"smallnorb-5x{part}.mat.gz"
    checksum = Checksum("sha256", sha256, "TensorFlow Datasets")
    return PublishedFile(_NYU + name, name, name, num_bytes, checksum)


def _mpi3d(
    name: str, url: str, num_images: int, published_as: str | None = None
) -> PublishedDataSet:
    saved_as = f"{name}.npz"
    return PublishedDataSet(
        name=name,
        folder=name,
        files=(PublishedFile(url, published_as or saved_as, saved_as),),
        unpacked_bytes=num_images * _IMAGE_BYTES,
        license="CC BY 4.0",
        source="https://github.com/rr-learning/disentanglement_dataset",
    )


_HUGGING_FACE = "https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/"
_DSPRITES_NPZ = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"

_DATA_SETS = (
    PublishedDataSet(
        name="dsprites",
        folder="dsprites",
        files=(
            PublishedFile(
                # The commit of 2017, which its repository still shows.
                "https://github.com/google-deepmind/dsprites-dataset/raw/"
                f"fa310c66517cfc1939d77fe17c725154efc97127/{_DSPRITES_NPZ}",
                _DSPRITES_NPZ,
                _DSPRITES_NPZ,
                checksum=Checksum(
                    "git",
                    "d98996d3f8ee1550e06b9d4ed78d0beb478910d5",
                    "its own repository",
                ),
            ),
        ),
        unpacked_bytes=737_280 * 64 * 64,
        license="Apache-2.0",
        source="https://github.com/google-deepmind/dsprites-dataset",
    ),
    PublishedDataSet(
        name="scream",
        folder="scream",
        files=(
            PublishedFile(
                "https://upload.wikimedia.org/wikipedia/commons/f/f4/The_Scream.jpg",
                "The_Scream.jpg",
                "scream.jpg",
            ),
        ),
        unpacked_bytes=0,
        license="public domain (Edvard Munch, 1893)",
        source="https://commons.wikimedia.org/wiki/File:The_Scream.jpg",
    ),
    PublishedDataSet(
        name="smallnorb",
        folder="small_norb",
        files=(
            _smallnorb_file(
                "46789x9x18x6x2x96x96-training-dat",
                131_896_188,
                "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873",
            ),
            _smallnorb_file(
                "46789x9x18x6x2x96x96-training-cat",
                348,
                "2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa",
            ),
            _smallnorb_file(
                "46789x9x18x6x2x96x96-training-info",
                71_052,
                "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32",
            ),
            _smallnorb_file(
                "01235x9x18x6x2x96x96-testing-dat",
                130_799_817,
                "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474",
            ),
            _smallnorb_file(
                "01235x9x18x6x2x96x96-testing-cat",
                347,
                "ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff",
            ),
            _smallnorb_file(
                "01235x9x18x6x2x96x96-testing-info",
                10_428,
                "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2",
            ),
        ),
        unpacked_bytes=48_600 * (2 * 96 * 96 + 5 * 4),
        license='"provided for research purposes. It cannot be sold."',
        source=_NYU,
    ),
    PublishedDataSet(
        name="cars3d",
        folder="cars",
        files=(
            PublishedFile(
                "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",
                "nips2015-analogy-data.tar.gz",
                "nips2015-analogy-data.tar.gz",
                checksum=Checksum(
                    "md5", "4e866a7919c1beedf53964e6f7a23686", "the library disent"
                ),
            ),
        ),
        unpacked_bytes=0,  # not published
        license="none is stated",
        source="http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",
    ),
    PublishedDataSet(
        name="shapes3d",
        folder="3dshapes",
        files=(
            PublishedFile(
                "https://storage.googleapis.com/3d-shapes/3dshapes.h5",
                "3dshapes.h5",
                "3dshapes.h5",
                267_573_662,
                Checksum(
                    "sha256",
                    "0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
                    "TensorFlow Datasets",
                ),
            ),
        ),
        unpacked_bytes=480_000 * _IMAGE_BYTES,
        license="Apache-2.0",
        source="https://github.com/google-deepmind/3d-shapes",
    ),
    *(
        _mpi3d(name, f"{_HUGGING_FACE}{name}.npz", _SIX_COLORS)
        for name in ("mpi3d_toy", "mpi3d_realistic", "mpi3d_real")
    ),
    _mpi3d(
        "mpi3d_real_complex",
        "https://drive.usercontent.google.com/download"
        "?id=1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm&export=download&confirm=t",
        _FOUR_COLORS,
        "real3d_complicated_shapes_ordered.npz",
    ),
)

DATA_SETS = {data_set.name: data_set for data_set in _DATA_SETS}


def find(name: str) -> PublishedDataSet:
    """The data set of a name.

    Raises:
      UserError: If there is none.
    """
    if name not in DATA_SETS:
        raise UserError(
            f"There is no data set {name!r} to download: --dataset is one of "
            f"{', '.join(DATA_SETS)}."
        )
    return DATA_SETS[name]


def listing() -> str:
    """A list of what can be downloaded, for `--list`."""
    return "\n".join(_entry(data_set) for data_set in _DATA_SETS)


def _entry(data_set: PublishedDataSet) -> str:
    sizes = [file.num_bytes for file in data_set.files if file.num_bytes is not None]
    download = "size not published"
    if len(sizes) == len(data_set.files):
        download = gigabytes(sum(sizes))
    room = data_set.unpacked_bytes
    unpacked = f", unpacked {gigabytes(room)}" if room else ""
    rows = {
        "download": download + unpacked,
        "check": _check(data_set.files[0].checksum),
        "license": data_set.license,
        "source": data_set.source,
    }
    lines = [f"  {title:10}{text}" for title, text in rows.items()]
    lines += [f"  {'file':10}{file.name}" for file in data_set.files]
    return "\n".join([data_set.name, *lines])


def _check(checksum: Checksum | None) -> str:
    if checksum is None:
        return "no checksum is published; it must be complete and of the right shape"
    return f"{checksum.kind} checksum, published by {checksum.publisher}"


def gigabytes(num_bytes: int) -> str:
    """Such as "12.7 GB" or "267.6 MB"."""
    if num_bytes < 1e9:
        return f"{num_bytes / 1e6:.1f} MB"
    return f"{num_bytes / 1e9:.1f} GB"
