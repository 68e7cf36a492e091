"""nginx in front of the portal as a cache, and the same answers as files: Debian's package, unpacked beside its settings and not installed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import house
from bench.errors import NotMeasuredError
from portal.running import folders, servers

INSTALLED = Path("/usr/sbin/nginx")
# As an operator sets it up: what the portal calls cacheable is kept, for each media type that was asked for.
SETTINGS = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    open_file_cache max=20000;
    client_body_temp_path {folder}/body;
    fastcgi_temp_path {folder}/fastcgi;
    proxy_temp_path {folder}/proxy;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    proxy_cache_path {folder}/cache keys_zone=answers:20m;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        default_type application/json;
        location /api/ {{
            proxy_pass http://127.0.0.1:{web};
            proxy_set_header Host $host;
            proxy_cache answers;
            proxy_cache_key "$request_uri $http_accept";
            add_header X-Cache $upstream_cache_status;
        }}
    }}
}}
"""


def program(folder: Path) -> Path:
    """The installed one, or the package's. Raises NotMeasuredError."""
    if INSTALLED.exists():
        return INSTALLED
    try:
        for command in (["apt-get", "download", "-qq", "nginx"], ["sh", "-c", "dpkg-deb -x nginx_*.deb nginx"]):
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotMeasuredError(f"nginx cannot be had: {error}. sudo apt-get update, or sudo apt-get install nginx, helps.") from error
    return folder / "nginx" / "usr" / "sbin" / "nginx"


@contextmanager
def nginx(opened: house.House, web: int) -> Iterator[tuple[int, Path]]:
    """Serve the portal that listens at `web` through a cache; the port, and the folder whose files are served beside it. Raises NotMeasuredError."""
    folder = opened.state / "nginx"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    files = folder / "files"
    files.mkdir()
    files.chmod(0o755)
    settings, port = folder / "nginx.conf", servers.free_port(0)
    user = f"user {folders.UNPRIVILEGED} nogroup;" if os.geteuid() == 0 else ""
    settings.write_text(SETTINGS.format(folder=folder, port=port, web=web, user=user), encoding="ascii")
    arguments = ("-e", f"{folder}/error.log", "-p", str(folder), "-c", str(settings))
    with opened.process("nginx", *arguments, program=str(program(folder))) as child:
        house.wait_for(port, child)
        yield port, files
