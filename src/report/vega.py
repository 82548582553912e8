"""The chart library, Vega: in one file, used by the report page and by the pages of `dvc plots`.

That file is also DVC's template (`plots.html_template` in .dvc/config), so that there is one copy only.
`python -m src.report.vega` makes it again from npm's packages; to update, change the versions here first.
"""

import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

from src import artifacts
from src.command import run_main
from src.errors import InputError

PACKAGES = {"vega": "6.4.0", "vega-lite": "6.4.3", "vega-embed": "7.3.0"}
DVC_PLOTS = Path(__file__).with_name("web") / "dvc_plots.html"

# DVC fills in the words in braces; it would load Vega from the network in place of {scripts}.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<!-- Made by `python -m src.report.vega`: change that, not this. -->
{refresh_tag}
<title>DVC plots</title>
<link rel="icon" href="data:,">
<style>body { font-family: system-ui, sans-serif; margin: 2rem } table { border-spacing: 15px }</style>
SCRIPTS
</head>
<body>
{plot_divs}
</body>
</html>
"""


def scripts() -> str:
    """The library as HTML: one `<script>` a package, its version and license in front."""
    match = re.search("<script>.*</script>", DVC_PLOTS.read_text(encoding="utf-8"), re.DOTALL)
    if match is None:
        raise InputError(f"{DVC_PLOTS}: damaged; `git restore` brings it back")
    return match[0]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="blindspot-") as folder:
        code = "\n".join(_script(name, version, Path(folder)) for name, version in PACKAGES.items())
    artifacts.write_text(DVC_PLOTS, PAGE.replace("SCRIPTS", code))
    print(DVC_PLOTS)


def _script(name: str, version: str, folder: Path) -> str:
    """One package, fetched; npm verifies its checksum."""
    pack = ["npm", "pack", "--silent", "--json", f"{name}@{version}"]
    try:
        done = subprocess.run(pack, cwd=folder, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise InputError("npm: not found; it comes with Node.js") from error
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split())  # npm takes several lines
        raise InputError(f"{name}@{version}: npm cannot fetch it: {reason}") from error
    with tarfile.open(folder / json.loads(done.stdout)[0]["filename"]) as archive:
        license, code = (_read(archive, path) for path in ("LICENSE", f"build/{name}.min.js"))
    if re.search("</script|<!--", code, re.IGNORECASE):
        raise InputError(f"{name}@{version}: cannot be part of a page: it holds the end of a script")
    code = re.sub(r"\n?//# sourceMappingURL=.*", "", code)
    return f"<script>\n/*! {name} {version}\n{license}\n*/\n{code}\n</script>"


def _read(archive: tarfile.TarFile, path: str) -> str:
    try:
        file = archive.extractfile(f"package/{path}")
    except KeyError:
        file = None
    if file is None:  # missing, or a folder
        raise InputError(f"package/{path}: not a file of this npm package")
    return file.read().decode().strip()


if __name__ == "__main__":
    run_main("vega", main)
