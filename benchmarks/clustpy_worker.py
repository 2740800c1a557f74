"""Runs one of ClustPy's clusterers with its defaults, in an environment of its own.

Takes the class, the file of x, the number of clusters, the seed and the file for the
labels. All values are scaled to [0, 1] together: its VaDE refuses others by default.
"""

import sys

import numpy as np
from clustpy import deep

name, samples, num_clusters, seed, labels = sys.argv[1:]
x = np.load(samples).astype(np.float32)
x = (x - x.min()) / (x.max() - x.min())
clusterer = getattr(deep, name)(n_clusters=int(num_clusters), random_state=int(seed))
np.save(labels, clusterer.fit(x).labels_)
