"""What a wheel must be, in sentences where it is not: `python .ci/wheel.py FILE`.

It holds the files of python/lenet_fast that are in the repository and one extension, nothing else, and is small.
"""

import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

LARGEST = 2_000_000  # bytes
KINDS = {".md", ".py", ".pyi", ".safetensors", ".txt", ".typed"}
MUST = {"__init__.py", "_core.pyi", "py.typed", "rbf_codes.txt", "pretrained/checksums.txt"}
MUST |= {
    f"pretrained/{name}.{kind}" for name in ("cifar10", "cifar10-relu", "digits") for kind in ("md", "safetensors")
}
METADATA = r"lenet_fast-[^/]+\.dist-info/(METADATA|RECORD|WHEEL|entry_points\.txt|licenses/LICENSE)"
EXTENSION = r"lenet_fast/_core\.[^/]+\.(so|pyd)"


def complaints(path: Path) -> list[str]:
    """Say what is wrong with a wheel; an empty list where nothing is."""
    tracked = subprocess.run(["git", "ls-files", "."], cwd="python", capture_output=True, text=True, check=True)
    wanted = set(tracked.stdout.splitlines())
    with ZipFile(path) as archive:
        held = {name for name in archive.namelist() if not name.endswith("/")}
    extensions = [name for name in held if re.fullmatch(EXTENSION, name)]
    found = {name for name in held if not re.fullmatch(METADATA, name)} - set(extensions)
    said = [f"wanted {name}, found none" for name in sorted({f"lenet_fast/{name}" for name in MUST} - held)]
    said += [f"wanted {name}, which the repository has, found none" for name in sorted(wanted - found)]
    said += [f"wanted only files of the repository, found {name}" for name in sorted(found - wanted)]
    said += [
        f"wanted modules, models and cards, found {name}" for name in sorted(found) if Path(name).suffix not in KINDS
    ]
    if len(extensions) != 1:
        said.append(f"wanted one extension, found {len(extensions)}")
    if path.stat().st_size > LARGEST:
        said.append(f"wanted at most {LARGEST:,} bytes, found {path.stat().st_size:,}")
    return said


if __name__ == "__main__":
    said = complaints(Path(sys.argv[1]))
    for sentence in said:
        print(f"{sys.argv[1]}: {sentence}")
    sys.exit(bool(said))
