"""A real reverse proxy before a gateway: nginx of Debian, on loopback, for one test."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.gateway_process import free_port

_SETTINGS = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream gateway {{ server 127.0.0.1:{upstream}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    ignore_invalid_headers off;
    location / {{
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_request_buffering {buffering};
    }}
  }}
}}
"""


def find_nginx() -> str:
    """The program; a test without it is skipped, but never on a build machine."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.environ.get("CI"):
        pytest.fail("nginx is missing: .ci/debian.txt names the package")
    if found is None:
        pytest.skip("nginx is not installed")
    return found


@contextmanager
def proxying(folder: Path, upstream: int, *, buffering: bool) -> Generator[int]:
    """The port of a proxy that keeps its connections to the gateway, for the block.

    Args:
        buffering: Whether it reads a body to its end before it sends it on.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "nginx.conf"
    switch = "on" if buffering else "off"
    settings.write_text(
        _SETTINGS.format(folder=folder, port=port, upstream=upstream, buffering=switch)
    )
    process = subprocess.Popen(
        [find_nginx(), "-c", str(settings), "-p", str(folder), "-e", str(folder / "error.log")],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)
