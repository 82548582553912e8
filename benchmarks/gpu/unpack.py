"""Unpacks a part of the kit where it is run: `python PART FOLDER`; the last one that is missing installs it.

Each part holds this file as its own `__main__`, so it needs nothing but Python and, to install, pip. Nothing
is installed outside of FOLDER.
"""

import hashlib
import json
import lzma
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

LISTING, STATE = "kit.json", "kit-state.json"
PROJECT, DATA, WHEELS, ENVIRONMENT = "project", "data", "wheels", "env"
CODE = "project.tar.xz"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} FOLDER")
    part, folder = (Path(argument).resolve() for argument in sys.argv)
    missing = add(part, folder)
    if missing:
        print(f"still missing: part {', '.join(map(str, missing))}")
    else:
        install(folder)


def add(part: Path, folder: Path) -> list[int]:
    """Write a part's pieces to their places in the folder's files; returns the parts that are still missing.

    Ends the program in one line if a checksum is wrong, or the folder has parts of another kit.
    """
    with zipfile.ZipFile(part) as archive:
        listing = json.loads(archive.read(LISTING))
        state = read_state(folder, listing)
        for number, piece in enumerate(listing["pieces"]):
            content = read(archive, f"pieces/{number}")
            if hashlib.sha256(content).hexdigest() != piece["sha256"]:
                sys.exit(f"{part}: damaged: checksum mismatch of {piece['file']}; copy it again")
            path = folder / piece["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("r+b" if path.exists() else "wb") as file:
                file.seek(piece["offset"])
                file.write(content)
    state["parts"] = sorted({*state["parts"], listing["part"]})
    (folder / STATE).write_text(json.dumps(state), encoding="utf-8")
    print(f"part {listing['part']} of {listing['parts']}: {len(listing['pieces'])} pieces, checksums match")
    missing = sorted({*range(1, listing["parts"] + 1)} - {*state["parts"]})
    if not missing:
        check(folder, listing["files"])
    return missing


def read(archive: zipfile.ZipFile, name: str) -> bytes:
    """What is under a name; nothing if it is damaged."""
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, EOFError):
        return b""


def read_state(folder: Path, listing: dict) -> dict:
    """Which parts of the kit the folder has."""
    path = folder / STATE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        return {"kit": listing["kit"], "parts": []}
    state = json.loads(path.read_text(encoding="utf-8"))
    if state["kit"] != listing["kit"]:
        sys.exit(f"{folder}: has parts of another kit; remove it, or name another folder")
    return state


def check(folder: Path, files: dict[str, str]) -> None:
    """Every file is whole, its pieces joined."""
    for name, expected in files.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            sys.exit(
                f"{folder / name}: damaged: checksum mismatch; remove {folder} and unpack all parts again"
            )


def install(folder: Path) -> None:
    """Unpack code and data, and make an environment of the wheels and of what this Python has already."""
    project = folder / PROJECT
    if (folder / CODE).exists():
        with tarfile.open(folder / CODE) as archive:
            archive.extractall(project, filter="data")
    for packed in sorted((folder / DATA).glob("**/*.xz")):
        target = project / packed.relative_to(folder / DATA).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(lzma.decompress(packed.read_bytes()))
    python = make_environment(folder / ENVIRONMENT)
    if wheels := sorted(map(str, (folder / WHEELS).glob("*.whl"))):
        pip = [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--no-index"]
        full = [*pip, "--no-deps", "--ignore-installed", "--no-compile", *wheels]
        if subprocess.run(full, check=False).returncode:
            sys.exit(f"{wheels[0]} and others: pip could not install them, see above")
    print(f"ready: cd {project} && {python} -m benchmarks.gpu --minutes 9 --out FOLDER")


def make_environment(folder: Path) -> Path:
    """An environment that sees the packages of this Python behind its own; returns its Python."""
    venv.create(folder, symlinks=True)
    outer = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    own = next(folder.glob("lib/python*/site-packages"))
    (own / "outer.pth").write_text("".join(f"{path}\n" for path in outer), encoding="utf-8")
    return folder / "bin/python"


if __name__ == "__main__":
    main()
