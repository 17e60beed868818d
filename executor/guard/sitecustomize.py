"""Blocks network access beyond loopback in every Python process of a page.

Python imports a module of this name at start-up; the executor puts this folder on the
PYTHONPATH of kernels, so that subprocesses of a page are covered as well. Attempts are
also written to a file, because libraries tend to swallow the error and carry on.
"""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

_THIS_HOST = os.uname().nodename.lower() if hasattr(os, "uname") else "localhost"


def _is_local(host: object) -> bool:
    if host is None:
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if text.lower() in ("", "localhost", _THIS_HOST):
        return True
    try:
        address = ipaddress.ip_address(text.split("%")[0])
        return address.is_loopback or address.is_unspecified
    except ValueError:
        return False


def _refuse(host: object, port: object) -> None:
    target = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if port is not None:
        target = f"{target}:{port}"
    log = os.environ.get("EXECUTOR_NETWORK_LOG")
    if log:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(target + "\n")
    raise RuntimeError(f"network access to {target} is blocked: pages run offline")


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    host: object = None
    port: object = None
    if event == "socket.getaddrinfo":
        host, port = arguments[:2]
    elif event in ("socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        # Unix sockets have a path for an address, netlink sockets numbers.
        if isinstance(address, tuple) and isinstance(address[0], str | bytes):
            host, port = address[:2]
    if not _is_local(host):
        _refuse(host, port)


sys.addaudithook(_audit)
