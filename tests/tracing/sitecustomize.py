"""Put on PYTHONPATH, this notes which of the project's modules a stage really imports, and whether torch.

It also keeps everything off the network and notes who wanted there.
"""

import atexit
import json
import os
import socket
import sys
from pathlib import Path

_wanted: list[str] = []


def _refuse(*address: object, **_: object) -> None:
    _wanted.append(str(address))
    raise OSError("no network while tracing")


def _note() -> None:
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    if main is None or not main.name.startswith("stages."):
        return
    root = Path.cwd()
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    mine = {
        Path(file).relative_to(root).as_posix()
        for file in files
        if file and Path(file).is_relative_to(root) and ".venv" not in file
    }
    heavy = [name for name in ("torch", "torchvision") if name in sys.modules]
    note = {"modules": sorted(mine), "heavy": heavy, "network": _wanted}
    target = Path(os.environ["TRACE_IMPORTS_TO"], f"{main.name.removeprefix('stages.')}.json")
    target.write_text(json.dumps(note))


if "TRACE_IMPORTS_TO" in os.environ:
    socket.getaddrinfo = _refuse
    socket.socket.connect = _refuse
    atexit.register(_note)
