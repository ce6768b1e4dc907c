"""minidl.hub against a real HTTP server on loopback that does everything wrong that servers do."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from minidl import hub
from minidl.errors import ArgumentError, DownloadError

BODY = random.Random(0).randbytes(300_000)
MD5 = hashlib.md5(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Each path is a way to answer; ``server.requests`` records (path, Range header)."""

    def log_message(self, *_args):
        pass

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        getattr(self, "do_" + self.path.strip("/").replace("-", "_"))()

    def offset(self):
        return int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def head(self, body, start=0, status=None, content_range=None):
        self.send_response(status or (206 if start else 200))
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", content_range or f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()

    def do_good(self):
        start = self.offset()
        if start >= len(BODY):
            return self.send_error(416)
        self.head(BODY, start)
        self.wfile.write(BODY[start:])

    def do_missing(self):
        self.send_error(404)

    def do_broken(self):
        self.send_error(500)

    def do_ignores_range(self):
        self.head(BODY)
        self.wfile.write(BODY)

    def do_corrupt(self):
        start = self.offset()
        body = BODY[:1000] + b"?" + BODY[1001:]
        self.head(body, start)
        self.wfile.write(body[start:])

    def do_web_page(self):
        self.head(b"<html>Please log in</html>")
        self.wfile.write(b"<html>Please log in</html>")

    def do_truncates(self):
        self.head(BODY)
        self.wfile.write(BODY[:200_000])

    def do_closes_often(self):
        start = self.offset()
        self.head(BODY, start)
        self.wfile.write(BODY[start : start + 50_000])

    def do_wrong_range(self):
        self.head(BODY, self.offset(), content_range="bytes 7-9/10")
        self.wfile.write(BODY)

    def do_no_length(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BODY)

    def do_silent(self):
        self.server.release.wait(20)

    def do_stalls(self):
        self.head(BODY)
        self.wfile.write(BODY[:100_000])
        self.server.release.wait(20)

    def do_trickles_headers(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        while not self.server.release.wait(0.1):
            self.wfile.write(b"X-Header: 1\r\n")

    def do_slow(self):
        body = BODY[:6000]
        self.head(body)
        for i in range(0, len(body), 300):  # 3,000 bytes a second for 2 seconds
            self.wfile.write(body[i : i + 300])
            time.sleep(0.1)

    def do_keeps_open(self):
        self.protocol_version = "HTTP/1.1"
        self.head(BODY)
        self.wfile.write(BODY)
        self.server.release.wait(20)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args):
        pass  # clients hang up here; that is no news


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Server(("127.0.0.1", 0), Handler)
    server.requests, server.release = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(server, tmp_path):
    def fetch(*paths, md5=MD5, timeout=5.0):
        urls = [server.url + path for path in paths]
        return hub.download(urls, tmp_path / "cache" / "file", md5=md5, timeout=timeout)

    return fetch


@pytest.fixture
def part(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "file.part"


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_downloads_into_place_and_leaves_nothing_else(fetch, tmp_path):
    path = fetch("/good")
    assert path == tmp_path / "cache" / "file"
    assert path.read_bytes() == BODY
    assert names(path.parent) == ["file"]


def test_one_address_may_be_a_string_and_md5_is_optional(server, tmp_path):
    path = hub.download(server.url + "/no-length", str(tmp_path / "file"))
    assert path.read_bytes() == BODY


def test_a_file_that_is_there_is_not_fetched_again(fetch, server):
    fetch("/good")
    fetch("/good")
    assert server.requests == [("/good", None)]


def test_a_damaged_file_that_is_there_is_replaced(fetch, part):
    part.with_name("file").write_bytes(b"damaged")
    assert fetch("/good").read_bytes() == BODY


@pytest.mark.parametrize("bad", ["/missing", "/broken", "/corrupt", "/web-page", "/truncates"])
def test_next_mirror_serves_when_one_fails(fetch, server, bad):
    assert fetch(bad, "/good").read_bytes() == BODY
    assert server.requests[-1][0] == "/good"


@pytest.mark.parametrize("bad", ["/silent", "/stalls", "/trickles-headers"])
def test_next_mirror_serves_when_one_stalls(fetch, bad):
    begin = time.monotonic()
    assert fetch(bad, "/good", timeout=1.0).read_bytes() == BODY
    # One of two sources has half of the patience. (Had it all, nothing would be left to the other.)
    assert time.monotonic() - begin > 0.4


def test_resumes_what_an_earlier_run_left(fetch, server, part):
    part.write_bytes(BODY[:123_456])
    assert fetch("/good").read_bytes() == BODY
    assert server.requests == [("/good", "bytes=123456-")]
    assert names(part.parent) == ["file"]


def test_another_mirror_resumes_what_one_began(fetch, server):
    assert fetch("/truncates", "/good").read_bytes() == BODY
    assert server.requests[-1] == ("/good", "bytes=200000-")


def test_a_source_that_closes_midway_is_asked_again_for_the_rest(fetch, server):
    assert fetch("/closes-often").read_bytes() == BODY
    assert [r for _, r in server.requests] == [None] + [f"bytes={i}-" for i in range(50_000, 300_000, 50_000)]


def test_a_server_that_ignores_range_is_read_from_the_start(fetch, part):
    part.write_bytes(BODY[:1000])
    assert fetch("/ignores-range").read_bytes() == BODY


def test_a_complete_partial_file_needs_no_network(fetch, server, part):
    part.write_bytes(BODY)
    assert fetch("/missing").read_bytes() == BODY
    assert server.requests == []


@pytest.mark.parametrize("left", [b"wrong" * 100, b"wrong" * 100_000])
def test_a_wrong_partial_file_is_discarded_and_the_same_source_asked_again(fetch, server, part, left):
    part.write_bytes(left)
    assert fetch("/good").read_bytes() == BODY
    assert server.requests == [("/good", f"bytes={len(left)}-"), ("/good", None)]


def test_without_md5_nothing_is_resumed(fetch, server, part):
    part.write_bytes(b"something else")
    assert fetch("/good", md5=None).read_bytes() == BODY
    assert server.requests == [("/good", None)]


def test_an_answer_with_another_range_is_refused(fetch, part):
    part.write_bytes(BODY[:1000])
    with pytest.raises(DownloadError, match="asked for bytes from 1000 on, the answer is 'bytes 7-9/10'"):
        fetch("/wrong-range")
    assert part.read_bytes() == BODY[:1000]


def test_a_connection_that_stays_open_after_the_last_byte_ends_the_download(fetch):
    begin = time.monotonic()
    assert fetch("/keeps-open", timeout=30.0).read_bytes() == BODY
    assert time.monotonic() - begin < 15  # not only when patience ends


def test_a_slow_download_that_goes_on_is_not_cut_off(fetch):
    begin = time.monotonic()
    path = fetch("/slow", md5=hashlib.md5(BODY[:6000]).hexdigest(), timeout=0.5)
    assert path.read_bytes() == BODY[:6000]
    assert time.monotonic() - begin > 1.5


def test_error_names_every_source_and_its_failure(fetch, server, tmp_path):
    with pytest.raises(DownloadError) as caught:
        fetch("/missing", "/broken", "/web-page", "/truncates")
    wrong = hashlib.md5(b"<html>Please log in</html>").hexdigest()
    assert str(caught.value).splitlines() == [
        "download: no source delivered file:",
        f"  {server.url}/missing: HTTP 404 Not Found",
        f"  {server.url}/broken: HTTP 500 Internal Server Error",
        f"  {server.url}/web-page: the file's md5 is {wrong}, not {MD5}",
        f"  {server.url}/truncates: the connection closed after 200,000 of 300,000 bytes",
    ]
    assert "file" not in names(tmp_path / "cache")
    assert (tmp_path / "cache" / "file.part").read_bytes() == BODY[:200_000]  # for the next run


def test_gives_up_within_the_timeout_over_all_sources(fetch):
    begin = time.monotonic()
    with pytest.raises(DownloadError, match="no answer, or too slow"):
        fetch("/silent", "/stalls", "/trickles-headers", "/silent", timeout=1.2)
    # /stalls sent enough to fill the patience once more; a patience for each source would make 4.8
    assert time.monotonic() - begin < 4


def test_a_hanging_name_lookup_is_given_up(tmp_path, monkeypatch):
    hung = threading.Event()

    def hang(*_args, **_kwargs):
        hung.wait(10)
        raise OSError("gave up")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    with pytest.raises(DownloadError, match="no answer"):
        hub.download(["http://one.invalid/a", "http://two.invalid/a"], tmp_path / "a", timeout=0.6)
    assert time.monotonic() - begin < 5  # the look-up itself takes twice as long
    hung.set()


def test_no_server_and_no_such_address(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        with pytest.raises(DownloadError, match=r"(?s)refused.*unknown url type"):
            hub.download([url, "no address at all"], tmp_path / "a")


def test_a_folder_that_cannot_be_made_is_an_error_of_this_machine(fetch, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError, match="cache") as caught:
        fetch("/good")
    assert not isinstance(caught.value, DownloadError)


def _download(url: str, path: Path, start: multiprocessing.Barrier) -> None:
    start.wait()
    hub.download(url, path, md5=MD5)


def test_processes_that_download_the_same_file_at_once(server, tmp_path):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    arguments = (server.url + "/closes-often", tmp_path / "file", start)
    processes = [context.Process(target=_download, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (tmp_path / "file").read_bytes() == BODY
    assert set(names(tmp_path)) <= {"file", "file.lock"}


def test_a_second_download_works_in_a_file_of_its_own(fetch, part):
    part.write_bytes(BODY[:5000])
    with hub._partial_file(part.with_name("file")) as held:
        assert held == part
        assert fetch("/good").read_bytes() == BODY
    assert part.read_bytes() == BODY[:5000]


def test_what_another_process_has_just_completed_is_taken(fetch, server, monkeypatch):
    @contextmanager
    def just_completed(path):
        path.write_bytes(BODY)
        yield path.with_name("file.part")

    monkeypatch.setattr(hub, "_partial_file", just_completed)
    assert fetch("/good").read_bytes() == BODY
    assert server.requests == []


def test_a_sha256_may_be_given_by_its_first_digits(server, tmp_path):
    """As in names such as vgg16-397923af.pth."""
    right = hashlib.sha256(BODY).hexdigest()[:8]
    assert hub.download(f"{server.url}/good", tmp_path / "a", sha256=right.upper()).read_bytes() == BODY
    with pytest.raises(DownloadError, match=f"the file's sha256 is {right}[0-9a-f]*, not 12345678"):
        hub.download(f"{server.url}/good", tmp_path / "b", sha256="12345678", timeout=2)
    assert not (tmp_path / "b").exists()


def test_wrong_arguments(tmp_path):
    with pytest.raises(ArgumentError, match="download: md5 and sha256 must be given one at a time, got both"):
        hub.download("http://a.invalid", tmp_path / "a", md5="0", sha256="0")
    with pytest.raises(ArgumentError, match=r"download: urls must be one or more addresses, got \[\]"):
        hub.download([], tmp_path / "a")
    with pytest.raises(ArgumentError, match="download: timeout must be positive, got 0"):
        hub.download("http://a.invalid", tmp_path / "a", timeout=0)


def test_home_is_MINIDL_HOME_or_the_platforms_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIDL_HOME", str(tmp_path))
    assert hub.home() == tmp_path
    monkeypatch.delenv("MINIDL_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(hub.sys, "platform", "linux")
    assert hub.home() == tmp_path / "xdg" / "minidl"
    monkeypatch.setattr(hub.sys, "platform", "darwin")
    assert hub.home() == Path.home() / "Library" / "Caches" / "minidl"
    monkeypatch.setattr(hub.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert hub.home() == tmp_path / "local" / "minidl"
