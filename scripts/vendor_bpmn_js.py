"""Takes the bpmn-js viewer into the package, for the coverage page: ``python scripts/vendor_bpmn_js.py``.

The bpmn.io licence allows copies as long as its notice goes with them and the bpmn.io watermark of drawn diagrams stays; the page keeps both.
Needs npm; the package's own integrity hash is checked.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "18.31.1"
TARGET = Path(__file__).resolve().parents[1] / "camunda_workers" / "testing" / "coverage" / "assets"
FILES = {
    "package/dist/bpmn-navigated-viewer.production.min.js": "bpmn-navigated-viewer.production.min.js",
    "package/dist/assets/bpmn-js.css": "bpmn-js.css",
    "package/LICENSE": "LICENSE.bpmn-js",
}


def main() -> None:
    """Fetch, check and unpack."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not on this machine: install Node.js")
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run([npm, "pack", f"bpmn-js@{VERSION}", "--json"], cwd=folder, check=True, capture_output=True, text=True).stdout
        (packed,) = json.loads(said)
        content = (Path(folder) / packed["filename"]).read_bytes()
    kind, _, expected = str(packed["integrity"]).partition("-")
    if base64.b64encode(hashlib.new(kind, content).digest()).decode() != expected:
        sys.exit("the package's content is not what its registry says: nothing was written")
    TARGET.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member, name in FILES.items():
            found = archive.extractfile(member)
            assert found is not None, f"bpmn-js {VERSION} has no {member}"
            (TARGET / name).write_bytes(found.read())
            print(f"{name}: {(TARGET / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
