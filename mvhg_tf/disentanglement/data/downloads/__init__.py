"""Downloads the published data sets, for `dlib_download_data`."""

from mvhg_tf.disentanglement.data.downloads.catalogue import DATA_SETS, find, listing
from mvhg_tf.disentanglement.data.downloads.getting import get

__all__ = ["DATA_SETS", "find", "get", "listing"]
