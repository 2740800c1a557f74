"""Downloads a file, resuming what an earlier try left, and checks it.

The bytes go to `<target>.part`, which becomes `<target>` once it is complete and has
the published size and checksum. Next to it, `<target>.part.json` says which version of
the file they belong to (its entity tag or time, RFC 9110), so that only parts of the
same version are joined.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import requests
import requests.adapters
import urllib3
from tqdm import tqdm

import mvhg_tf
from mvhg_tf.disentanglement.data.downloads.catalogue import PublishedFile, gigabytes
from mvhg_tf.runs.errors import UserError

_CHUNK_BYTES = 1 << 16
_TIMEOUTS = (15, 60)  # seconds for a connection, and for the next byte
_ATTEMPTS = 5  # in a row that bring nothing new
_PAUSE = 0.5  # seconds after the first of them, doubled after each
_PASSING = (429, 500, 502, 503, 504)  # answers that may be others a moment later


def fetch(file: PublishedFile, url: str, target: Path, room_besides: int = 0) -> None:
    """Downloads a file, unless an earlier call has done so.

    Args:
      file: What is published of it.
      url: Where it is downloaded from.
      target: Where it goes, in a folder that exists.
      room_besides: Bytes that will be needed in that folder in addition to the file.

    Raises:
      UserError: If the download fails, or the file is not the published one. What has
        arrived is kept for the next call unless it is unusable.
    """
    if target.exists():
        return
    part = _Part(target, url)
    try:
        if not part.is_whole:
            _receive_all(file, part, room_besides)
        _check(file, part)
        part.finish()
    except OSError as error:
        raise UserError(
            f"Writing {file.name} to {target.parent} stopped at "
            f"{gigabytes(part.num_bytes)} ({error}): free some space there or make it "
            "writable, and run this again, which continues from there."
        ) from error


class _Part:
    """The bytes of a file that have arrived, and the version they belong to."""

    def __init__(self, target: Path, url: str):
        self.url = url
        self._target = target
        self.path = target.with_name(target.name + ".part")
        self._record_path = target.with_name(target.name + ".part.json")
        self.version = _Version()
        self._load()

    def _load(self) -> None:
        """Continues the part that is there, if its version is known."""
        try:
            record = json.loads(self._record_path.read_text(encoding="utf-8"))
            url, version = record.pop("url"), _Version(**record)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            url, version = None, _Version()
        if url == self.url and version.validator and self.path.exists():
            self.version = version
            if version.total is None or self.num_bytes <= version.total:
                return
        self.discard()

    @property
    def num_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def is_whole(self) -> bool:
        return self.version.total is not None and self.num_bytes == self.version.total

    def start(self, version: _Version) -> None:
        """Starts again, with another version."""
        self.discard()
        self.version = version
        record = {"url": self.url, **dataclasses.asdict(version)}
        self._record_path.write_text(json.dumps(record), encoding="utf-8")

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the file to append to it."""
        # Without a buffer, which would fail once more when it is closed.
        with open(self.path, "ab", buffering=0) as file:
            yield file
            os.fsync(file.fileno())

    def discard(self) -> None:
        """Forgets what has arrived."""
        self.version = _Version()
        for path in (self.path, self._record_path):
            path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Gives the file its name."""
        os.replace(self.path, self._target)
        self._record_path.unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class _Version:
    """What distinguishes one version of a file from another.

    Attributes:
      validator: Its strong entity tag, or else when it was modified.
      total: Its size in bytes.
    """

    validator: str | None = None
    total: int | None = None

    @classmethod
    def of(cls, response: requests.Response) -> _Version:
        """That of the whole file that an answer holds."""
        tag = response.headers.get("ETag", "")
        total = response.headers.get("Content-Length", "")
        return cls(
            validator=tag if _is_tag(tag) else response.headers.get("Last-Modified"),
            total=int(total) if total.isdecimal() else None,
        )


def _is_tag(validator: str | None) -> bool:
    """Whether it is a strong entity tag, as If-Range wants it."""
    return validator is not None and validator.startswith('"')


def _receive_all(file: PublishedFile, part: _Part, room_besides: int) -> None:
    """Receives the rest of the file, in as many attempts as bring something new."""
    most, failures = part.num_bytes, 0
    with _session() as session:
        while True:
            with _ask(session, part) as response:
                if not _begin(response, file, part):
                    continue
                _check_room(part, room_besides)
                error = _append(response, file, part)
            if error is None and part.version.total in (None, part.num_bytes):
                return
            failures = 0 if part.num_bytes > most else failures + 1
            most = max(most, part.num_bytes)
            if failures == _ATTEMPTS:
                raise UserError(
                    f"The connection to {part.url} keeps breaking after "
                    f"{gigabytes(most)} ({_reason(error)}): run this again later, "
                    "which continues from there."
                ) from error
            time.sleep(_PAUSE * 2**failures)


def _session() -> requests.Session:
    """A session that retries if the connection or the server fails for a moment."""
    retry = urllib3.Retry(
        total=_ATTEMPTS - 1,
        status_forcelist=_PASSING,
        backoff_factor=_PAUSE,
        raise_on_status=False,
        respect_retry_after_header=False,  # which may be hours
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    session.headers["User-Agent"] = f"mvhg_tf/{mvhg_tf.__version__} dlib_download_data"
    # The bytes as they are stored: their sizes and checksums are published.
    session.headers["Accept-Encoding"] = "identity"
    return session


def _ask(session: requests.Session, part: _Part) -> requests.Response:
    """Asks for the rest of the file: an answer whose body is still to come."""
    headers = {}
    if part.num_bytes and part.version.validator:
        headers["Range"] = f"bytes={part.num_bytes}-"
        headers["If-Range"] = part.version.validator
    try:
        return session.get(part.url, headers=headers, stream=True, timeout=_TIMEOUTS)
    except (requests.RequestException, ValueError) as error:
        raise UserError(
            f"{part.url} can't be reached ({_reason(error)}): check the network or "
            "give another --base_url, and run this again."
        ) from error


def _begin(response: requests.Response, file: PublishedFile, part: _Part) -> bool:
    """Makes the part ready for an answer's body.

    Returns:
      False if the answer is a remainder that doesn't fit what has arrived: the whole
      file must be requested.

    Raises:
      UserError: If the answer is not the file.
    """
    status = response.status_code
    if part.num_bytes and status in (
        requests.codes.partial_content,
        requests.codes.requested_range_not_satisfiable,
    ):
        fits = _is_rest_of(part, response)
        if not fits:
            part.discard()
        return fits
    version = _Version.of(response)
    if status != requests.codes.ok:
        raise UserError(
            f"{part.url} can't be downloaded (the answer is {status} "
            f"{response.reason}): give --base_url, the address of a folder that holds "
            "it."
        )
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise UserError(
            f"{part.url} is a web page and not the file: open it in a browser, or give "
            "another --base_url."
        )
    if None not in (file.num_bytes, version.total) and version.total != file.num_bytes:
        raise UserError(
            f"{part.url} has {version.total} bytes, but {file.name} as published has "
            f"{file.num_bytes}: give another --base_url."
        )
    part.start(version)
    return True


def _is_rest_of(part: _Part, response: requests.Response) -> bool:
    """Whether an answer begins where the part ends, and is of its version."""
    content_range = response.headers.get("Content-Range", "")
    begin, _, total = content_range.removeprefix("bytes ").partition("/")
    validator = part.version.validator
    stated = response.headers.get("ETag" if _is_tag(validator) else "Last-Modified")
    return (
        response.status_code == requests.codes.partial_content
        and begin.startswith(f"{part.num_bytes}-")
        and str(part.version.total or total) == total
        and stated in (None, validator)  # where there is none, If-Range was heeded
    )


def _check_room(part: _Part, room_besides: int) -> None:
    needed = (part.version.total or 0) - part.num_bytes + room_besides
    free = shutil.disk_usage(part.path.parent).free
    if free < needed:
        if not part.num_bytes:
            part.discard()
        raise UserError(
            f"Getting {part.url} takes {gigabytes(needed)}, unpacked data included, "
            f"but {gigabytes(free)} are free in {part.path.parent}: free some space, "
            "or give another --directory."
        )


def _append(
    response: requests.Response, file: PublishedFile, part: _Part
) -> Exception | None:
    """Appends an answer's body to the part; returns a connection's error, if any."""
    progress = tqdm(
        desc=file.name,
        initial=part.num_bytes,
        total=part.version.total,
        unit="B",
        unit_scale=True,
        leave=False,
    )
    with progress, part.open() as stream:
        try:
            for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
                rest = memoryview(chunk)
                while rest:
                    rest = rest[stream.write(rest) :]
                progress.update(len(chunk))
        except urllib3.exceptions.HTTPError as error:
            return error
    return None


def _check(file: PublishedFile, part: _Part) -> None:
    """Refuses a file that is not the published one, and forgets it."""
    url, num_bytes = part.url, part.num_bytes
    if file.num_bytes not in (None, num_bytes):
        fault = f"has {num_bytes} bytes, but should have {file.num_bytes}"
    elif file.checksum and not file.checksum.fits(part.path):
        fault = f"has the wrong {file.checksum.kind} checksum"
    else:
        return
    part.discard()
    raise UserError(
        f"The download from {url} is not {file.name} as published (it {fault}), and "
        "was deleted: run this again, or give another --base_url."
    )


def _reason(error: BaseException | None) -> str:
    """The innermost cause, such as "[Errno 111] Connection refused"."""
    if error is None:
        return "it ended too early"
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    return str(cause).rpartition(": ")[2].rstrip(".")
