"""Downloads from a server that does all that servers and lines do."""

import contextlib
import hashlib
import json
import resource
import socket
import types

import numpy as np
import pytest
from file_server import FileServer

from mvhg_tf.disentanglement.data.downloads import transfer
from mvhg_tf.disentanglement.data.downloads.catalogue import Checksum, PublishedFile
from mvhg_tf.runs.errors import UserError

CONTENT = np.random.RandomState(0).bytes(300_000)
OTHER = CONTENT[::-1]  # as long
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest(), "this test")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "_PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FileServer(files={"/file": CONTENT}) as server:
        yield server


@pytest.fixture
def get(server, tmp_path):
    """Downloads the file: its content, or None and why there is none."""

    def fetch(num_bytes=None, checksum=None, path="/file"):
        target = tmp_path / "target"
        file = PublishedFile("", "file", "target", num_bytes, checksum)
        try:
            transfer.fetch(file, server.url + path, target)
        except UserError as error:
            assert not target.exists()
            message = str(error)
            assert len(message) < 500 and "\n" not in message
            return None, message
        # Nothing else is left.
        assert [path.name for path in tmp_path.iterdir()] == ["target"]
        return target.read_bytes(), ""

    return fetch


@contextlib.contextmanager
def room_for(num_bytes):
    """In the block no file may have more bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_whole_file(server, get):
    assert get(len(CONTENT), SHA256) == (CONTENT, "")
    assert server.begins == [None]
    assert get(len(CONTENT), SHA256) == (CONTENT, "")  # it is there
    assert len(server.requests) == 1


def test_rests_are_asked_for_where_the_line_broke(server, get):
    server.cuts = [150_000, 100_000, 0]
    assert get() == (CONTENT, "")
    first, *rests = server.begins
    assert first is None
    # What came last may be lost, but not more than that.
    assert 150_000 - transfer._CHUNK_BYTES <= rests[0] <= 150_000
    assert rests == sorted(rests) and len(rests) == 3
    assert {headers["If-Range"] for headers in server.requests[1:]} == {'"1"'}


def test_server_that_ignores_ranges(server, get):
    server.heeds_range = False
    server.cuts = [200_000, 100_000]
    assert get() == (CONTENT, "")
    assert server.begins[1] > 0


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"1"'}, {"ETag": '"2"'}),
        ({"Last-Modified": "Mon, 01 Jan 2018"}, {"Last-Modified": "Tue, 02 Jan 2018"}),
    ],
)
def test_file_that_changes_between_two_halves(
    server, get, monkeypatch, before, after, heeds_if_range
):
    """Both are as long, and no checksum would tell."""
    server.validators, server.heeds_if_range = before, heeds_if_range
    server.cuts = [200_000]

    def change(seconds):
        server.files["/file"], server.validators = OTHER, after

    monkeypatch.setattr(transfer.time, "sleep", change)
    assert get() == (OTHER, "")


@pytest.mark.parametrize("validators", [{}, {"ETag": 'W/"1"'}])
def test_nothing_is_appended_to_what_has_no_version(server, get, validators):
    server.validators = validators
    server.cuts = [200_000]
    assert get() == (CONTENT, "")
    assert server.begins == [None, None]


def test_server_that_refuses_a_rest_that_was_not_asked_for(server, get, monkeypatch):
    server.validators, server.cuts = {}, [200_000]
    monkeypatch.setattr(transfer.time, "sleep", lambda _: server.statuses.append(416))
    assert get() == (CONTENT, "")
    assert server.begins == [None] * 3


def test_next_call_goes_on(server, get):
    server.cuts = [150_000] + [0] * 5
    content, message = get()
    assert content is None
    assert "keeps breaking after 0.1 MB" in message
    asked = len(server.requests)
    assert get(len(CONTENT), SHA256) == (CONTENT, "")
    assert server.begins[asked:] == [server.begins[1]]


@pytest.mark.parametrize(
    "record",
    [None, "", "[]", "{}", json.dumps({"url": "http://else/file", "validator": '"1"'})],
)
def test_what_is_not_known_is_not_appended_to(server, get, tmp_path, record):
    (tmp_path / "target.part").write_bytes(OTHER[:1000])
    if record is not None:
        (tmp_path / "target.part.json").write_text(record)
    assert get() == (CONTENT, "")
    assert server.begins == [None]


def test_process_that_was_killed_before_the_last_step(server, get, monkeypatch):
    """All had arrived."""
    with monkeypatch.context() as patch:
        patch.setattr(transfer._Part, "finish", lambda part: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            get()
    assert get() == (CONTENT, "")
    assert len(server.requests) == 1


def test_wrong_bytes(server, get, tmp_path):
    server.files["/file"] = OTHER
    content, message = get(len(CONTENT), SHA256)
    assert content is None
    assert "the wrong sha256 checksum" in message
    assert list(tmp_path.iterdir()) == []


def test_wrong_published_length(server, get, tmp_path):
    content, message = get(300_001)
    assert content is None
    assert "has 300000 bytes, but file as published has 300001" in message
    assert list(tmp_path.iterdir()) == []


def test_server_that_promises_more_than_it_sends(server, get):
    server.content_length = 10
    content, message = get()
    assert content is None
    assert "keeps breaking" in message


def test_server_that_promises_less_than_it_sends(server, get):
    server.content_length = -10
    content, message = get(len(CONTENT))
    assert content is None
    assert "has 299990 bytes" in message
    content, message = get(checksum=SHA256)
    assert "the wrong sha256 checksum" in message


@pytest.mark.parametrize("path", ["/none", "/moved/none"])
def test_missing_file(get, path):
    content, message = get(path=path)
    assert content is None
    assert "404 Not Found" in message and "--base_url" in message


def test_server_that_fails_for_a_moment(server, get):
    server.statuses = [500, 503, 429]
    assert get() == (CONTENT, "")
    assert len(server.requests) == 4


def test_server_that_keeps_failing(server, get):
    server.statuses = [503] * 10
    content, message = get()
    assert content is None
    assert "503 Service Unavailable" in message
    assert len(server.requests) == transfer._ATTEMPTS


def test_redirection(server, get):
    server.cuts = [200_000]
    assert get(path="/moved/moved/file") == (CONTENT, "")
    assert server.begins[1] > 0


def test_redirection_in_a_circle(get):
    content, message = get(path="/round")
    assert content is None
    assert "30 redirects" in message


def test_web_page_in_place_of_the_file(server, get, tmp_path):
    """As of networks that want a password first."""
    server.content_type = "text/html; charset=utf-8"
    content, message = get()
    assert content is None
    assert "is a web page" in message
    assert list(tmp_path.iterdir()) == []


def test_no_server(server, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = PublishedFile("", "file", "target")
    with pytest.raises(UserError, match=r"can't be reached \(.*refused\): check the n"):
        transfer.fetch(file, f"http://127.0.0.1:{port}/file", tmp_path / "target")
    with pytest.raises(UserError, match="can't be reached"):
        transfer.fetch(file, "http://[nonsense/file", tmp_path / "target")


def test_full_disk(server, get):
    with room_for(200_000):
        content, message = get()
    assert content is None
    assert "stopped at 0.2 MB" in message
    assert "File too large" in message
    assert get(len(CONTENT), SHA256) == (CONTENT, "")
    assert server.begins == [None, 200_000]


def test_disk_without_room_is_told_before(server, get, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        usage = types.SimpleNamespace(free=299_999)
        patch.setattr(transfer.shutil, "disk_usage", lambda path: usage)
        content, message = get()
    assert content is None
    assert "takes 0.3 MB" in message and "0.3 MB are free" in message
    assert not (tmp_path / "target.part").exists()
    assert get() == (CONTENT, "")


def test_the_bar_tells_how_much_is_left(server, get, capfd):
    server.cuts = [200_000]
    get()
    err = capfd.readouterr().err
    assert "file:" in err
    assert "67%" in err and "200k/300k" in err  # it goes on where it was


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("git", "ce013625030ba8dba906f756967f9e9ca394464a"),  # git hash-object
        ("md5", "b1946ac92492d2347c6235b4d2611184"),  # md5sum
        (
            "sha256",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        ),
    ],
)
def test_checksums(tmp_path, kind, digest):
    path = tmp_path / "hello"
    path.write_text("hello\n")
    assert Checksum(kind, digest, "git and coreutils").fits(path)
    path.write_text("hello")
    assert not Checksum(kind, digest, "git and coreutils").fits(path)
