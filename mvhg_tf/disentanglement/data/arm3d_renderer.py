"""Draws arm3d, a robot arm that holds an object, as images of 64 x 64 pixels.

The scene is three-dimensional and seen by an orthographic camera: an arm on a
pedestal turns about a vertical axis (azimuth) and a horizontal one (elevation),
and holds an object in front of a floor and a wall. Everything is drawn by
signed distances, in pixels: what lies more than half a pixel inside a shape is
covered by it, what lies on its edge is covered in part, so that the smallest
turn of the arm changes the image and edges are smooth.

What depends on the camera and the background alone (wall, floor, pedestal) is
drawn once, in NumPy. The rest is elementwise over the pixels, so that XLA fuses
it into one loop that keeps nothing but the image.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# In mpi3d's order: object color, shape and size, camera height, background color,
# horizontal and vertical axis.
FACTOR_SIZES = (4, 4, 2, 3, 3, 40, 40)
IMAGE_SIZE = 64

# RGB in [0, 1]. The values are kept off 0 and 1, where a Bernoulli
# likelihood is unbounded, and were balanced by measuring each factor's loudness
# (docs/arm3d.md).
_OBJECT_COLORS = np.array(
    [[0.92, 0.28, 0.22], [0.30, 0.88, 0.30], [0.30, 0.45, 0.95], [0.95, 0.88, 0.30]],
    np.float32,
)
_BACKGROUND_COLORS = np.array(
    [[0.20, 0.20, 0.36], [0.33, 0.19, 0.20], [0.18, 0.33, 0.26]], np.float32
)
_ARM_COLOR = np.array([0.78, 0.78, 0.80], np.float32)
_JOINT_COLOR = np.array([0.45, 0.45, 0.48], np.float32)

# One formula draws the four shapes (an image costs one of them, not four): a point
# is inside where all three of these are negative, with x and y (downwards) from
# the center in units of the object's radius, and q = sqrt(x^2 + y^2):
#     side_x |x| + side_y y - side,    |y| - height,    |q - radius| - width.
# Columns: side_x, side_y, side, height, radius, width; a 9 never binds.
_SHAPES = np.array(
    [
        [1.0, 0.0, 9.0, 9.0, 0.0, 1.0],  # sphere
        [1.0, 0.0, 0.55, 1.25, 0.0, 9.0],  # upright cylinder
        [0.8944, -0.4472, 0.55, 1.05, 0.0, 9.0],  # cone
        [1.0, 0.0, 9.0, 9.0, 0.88, 0.3],  # ring
    ],
    np.float32,
)
_OBJECT_RADII = np.array([7.5, 11.0], np.float32)  # pixels

_CAMERA_PITCH = np.radians([5.0, 22.0, 40.0]).astype(np.float32)
_PEDESTAL_ROW = np.array([53.0, 50.5, 48.0], np.float32)  # foot of the pedestal
_SHOULDER_HEIGHT = 22.0  # pixels above the floor
_WALL_DEPTH = 24.0  # pixels behind the pedestal
_ARM_LENGTH = 20.5
_ELBOW_RISE = 8.0  # how far the elbow stands off the straight line to the hand
_MAX_AZIMUTH = np.radians(70.0)
_MIN_ELEVATION, _MAX_ELEVATION = np.radians(-35.0), np.radians(55.0)


def _floor_squash(sine_of_pitch: tf.Tensor) -> tf.Tensor:
    return sine_of_pitch + 0.15  # not quite flat where the camera is lowest


def _coverage(distance: np.ndarray) -> np.ndarray:
    """How much of a pixel a shape covers, from its center's signed distance."""
    return np.clip(0.5 - distance, 0.0, 1.0)


@functools.cache
def _backgrounds() -> np.ndarray:
    """Wall, floor and pedestal: `[3 cameras * 3 colors, 64, 64, 3]` float32."""
    y, x = np.mgrid[0:IMAGE_SIZE, 0:IMAGE_SIZE].astype(np.float32) + 0.5
    x = x - IMAGE_SIZE / 2
    images = []
    for pitch, foot in zip(_CAMERA_PITCH, _PEDESTAL_ROW, strict=True):
        horizon = foot - _WALL_DEPTH * np.sin(pitch)
        floor = _coverage(horizon - y)[..., None]
        squash = _floor_squash(np.sin(pitch))
        base = _coverage((np.hypot(x, (y - foot) / squash) - 10.0) * squash)[..., None]
        top = foot - _SHOULDER_HEIGHT * np.cos(pitch)
        column = _coverage(
            np.maximum(np.abs(x) - 3.5, np.abs(y - (foot + top) / 2) - (foot - top) / 2)
        )[..., None]
        for color in _BACKGROUND_COLORS:
            image = color * (1.0 - floor) + (color * 1.5 + 0.05) * floor
            image = image + base * (0.6 * _JOINT_COLOR - image)
            image = image + column * (_JOINT_COLOR - image)
            images.append(image)
    return np.stack(images).astype(np.float32)


class _Pose(NamedTuple):
    """Where the arm of each image is, `[N, 1, 1]` float32 each, in pixels."""

    shoulder: tuple[tf.Tensor, tf.Tensor]
    elbow: tuple[tf.Tensor, tf.Tensor]
    hand: tuple[tf.Tensor, tf.Tensor]
    shadow: tuple[tf.Tensor, tf.Tensor]
    floor_squash: tf.Tensor  # a circle on the floor is seen as high as this


def _pose(factors: tf.Tensor) -> _Pose:
    camera, turn, lift = (factors[:, i, tf.newaxis, tf.newaxis] for i in (3, 5, 6))
    pitch, foot = tf.gather(_CAMERA_PITCH, camera), tf.gather(_PEDESTAL_ROW, camera)
    turn = tf.cast(turn, tf.float32) / (FACTOR_SIZES[5] - 1)
    lift = tf.cast(lift, tf.float32) / (FACTOR_SIZES[6] - 1)
    azimuth = (2.0 * turn - 1.0) * _MAX_AZIMUTH
    elevation = _MIN_ELEVATION + lift * (_MAX_ELEVATION - _MIN_ELEVATION)

    def project(outward: tf.Tensor, height: tf.Tensor) -> tf.Tensor:
        """The screen position of a point of the arm's plane."""
        x = IMAGE_SIZE / 2 + outward * tf.sin(azimuth)
        toward_camera = outward * tf.cos(azimuth)
        return x, foot - height * tf.cos(pitch) + toward_camera * tf.sin(pitch)

    cos, sin = tf.cos(elevation), tf.sin(elevation)
    along, rise = _ARM_LENGTH / 2, _ELBOW_RISE
    return _Pose(
        shoulder=project(tf.zeros_like(turn), _SHOULDER_HEIGHT),
        elbow=project(
            along * cos - rise * sin, _SHOULDER_HEIGHT + along * sin + rise * cos
        ),
        hand=project(_ARM_LENGTH * cos, _SHOULDER_HEIGHT + _ARM_LENGTH * sin),
        shadow=project(_ARM_LENGTH * cos, 0.0),
        floor_squash=_floor_squash(tf.sin(pitch)),
    )


def _length(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(x * x + y * y)


def _segment_distance(
    x: tf.Tensor, y: tf.Tensor, start: tf.Tensor, end: tf.Tensor
) -> tf.Tensor:
    """Distance `[N, 64, 64]` of each pixel to the segment from `start` to `end`."""
    to_x, to_y = end[0] - start[0], end[1] - start[1]
    x, y = x - start[0], y - start[1]
    # Seen end on, a segment has no length on the screen.
    squared_length = tf.maximum(to_x * to_x + to_y * to_y, 1e-6)
    along = tf.clip_by_value((x * to_x + y * to_y) / squared_length, 0.0, 1.0)
    return _length(x - along * to_x, y - along * to_y)


def _paint(image: tf.Tensor, distance: tf.Tensor, color: tf.Tensor) -> tf.Tensor:
    """Lays a shape, given by its signed distance `[N, 64, 64]`, over the image."""
    cover = tf.clip_by_value(0.5 - distance, 0.0, 1.0)[..., tf.newaxis]
    return image + cover * (color - image)


def _paint_object(
    image: tf.Tensor, x: tf.Tensor, y: tf.Tensor, factors: tf.Tensor
) -> tf.Tensor:
    """Lays the object over the image; x and y count from its center, in pixels."""
    radius = tf.gather(_OBJECT_RADII, factors[:, 2])[:, tf.newaxis, tf.newaxis]
    shape = tf.gather(_SHAPES, factors[:, 1])[:, tf.newaxis, tf.newaxis, :]
    side_x, side_y, side, height, ring, width = tf.unstack(shape, axis=-1)
    x, y = x / radius, y / radius
    distance = tf.maximum(
        tf.maximum(side_x * tf.abs(x) + side_y * y - side, tf.abs(y) - height),
        tf.abs(_length(x, y) - ring) - width,
    )
    light = tf.clip_by_value(1.0 - 0.15 * (x + y), 0.75, 1.0)  # from the upper left
    color = tf.gather(_OBJECT_COLORS, factors[:, 0])[:, tf.newaxis, tf.newaxis, :]
    return _paint(image, distance * radius, color * light[..., tf.newaxis])


# Outside XLA each of some 60 operations would read and write the whole batch, at
# 15 times the cost; so it is compiled on its own, inside whatever calls it.
@tf.function(
    input_signature=[tf.TensorSpec([None, len(FACTOR_SIZES)], tf.int32)],
    jit_compile=True,
    autograph=False,
)
def _render(factors: tf.Tensor) -> tf.Tensor:
    centers = np.arange(IMAGE_SIZE, dtype=np.float32) + 0.5
    x, y = centers[np.newaxis, np.newaxis, :], centers[np.newaxis, :, np.newaxis]
    pose = _pose(factors)
    image = tf.gather(_backgrounds(), factors[:, 3] * FACTOR_SIZES[4] + factors[:, 4])

    radius = tf.gather(_OBJECT_RADII, factors[:, 2])[:, tf.newaxis, tf.newaxis]
    shadow = _length(x - pose.shadow[0], (y - pose.shadow[1]) / pose.floor_squash)
    shadow = (shadow - 0.9 * radius) * pose.floor_squash
    image = _paint(image, shadow, 0.55 * image)

    upper_arm = _segment_distance(x, y, pose.shoulder, pose.elbow) - 3.2
    forearm = _segment_distance(x, y, pose.elbow, pose.hand) - 2.4
    image = _paint(image, tf.minimum(upper_arm, forearm), _ARM_COLOR)
    joint = _length(x - pose.elbow[0], y - pose.elbow[1]) - 2.0
    image = _paint(image, joint, _JOINT_COLOR)

    return _paint_object(image, x - pose.hand[0], y - pose.hand[1], factors)


def render(factors: tf.Tensor) -> tf.Tensor:
    """Draws the images of a batch of factors.

    Works eagerly, in a `tf.function` and under XLA. It is compiled once for each batch
    size, which takes about half a second.

    Args:
      factors: Integers `[N, 7]`, each from 0 to its size in `FACTOR_SIZES` less
        one. They are not checked here.

    Returns:
      Images `[N, 64, 64, 3]`, float32 in (0, 1).
    """
    factors = tf.cast(factors, tf.int32)
    images = _render(factors)
    images.set_shape([factors.shape[0], IMAGE_SIZE, IMAGE_SIZE, 3])
    return images
