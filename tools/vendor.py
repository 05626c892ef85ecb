"""Fetch what Great Expectations' pages load, once, so that they open without a network: `python -m tools.vendor`.

The files come from npm packages of the releases that these pages name, by `npm pack` and so from whatever registry npm is
set to; they are committed with their licences. tests/adapters/test_data_docs.py holds them to assets.json.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).resolve().parent.parent / "src" / "gristmill" / "adapters" / "docs_assets"
ALLOWED = {"MIT", "Apache-2.0", "BSD-3-Clause", "(CC-BY-4.0 AND OFL-1.1 AND MIT)"}
_FILTER = "dist/extensions/filter-control/bootstrap-table-filter-control"
PACKAGES = {
    "bootstrap@4.3.1": ["dist/css/bootstrap.min.css", "dist/js/bootstrap.min.js"],
    "jquery@3.7.1": ["dist/jquery.min.js"],
    "popper.js@1.12.9": ["dist/umd/popper.min.js"],
    "bootstrap-table@1.19.1": [
        "dist/bootstrap-table.min.css",
        "dist/bootstrap-table.min.js",
        f"{_FILTER}.min.css",
        f"{_FILTER}.min.js",
    ],
    "bootstrap-datepicker@1.9.0": ["dist/css/bootstrap-datepicker.min.css", "dist/js/bootstrap-datepicker.min.js"],
    "@forevolve/bootstrap-dark@1.1.0": ["dist/css/bootstrap-prefers-dark.min.css"],
    "@fortawesome/fontawesome-free@6.6.0": [
        "css/all.min.css",
        "webfonts/fa-solid-900.woff2",
        "webfonts/fa-regular-400.woff2",
    ],
    "vega@5.33.1": ["build/vega.min.js"],
    "vega-lite@5.23.0": ["build/vega-lite.min.js"],
    "vega-embed@6.29.0": ["build/vega-embed.min.js"],
}


def fetch(package: str, paths: list[str], folder: Path) -> dict[str, Any]:
    """Put the files of one package into `folder`; what they are, and under which licence.

    Raises:
        SystemExit: its licence is none of ALLOWED.
    """
    with tempfile.TemporaryDirectory() as work:
        packed = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=work, check=True, capture_output=True, text=True
        ).stdout.split()[-1]
        with tarfile.open(Path(work) / packed) as archive:

            def read(path: str) -> bytes:
                file = archive.extractfile(f"package/{path}")
                assert file is not None
                return file.read()

            about = json.loads(read("package.json"))
            if about["license"] not in ALLOWED:
                sys.exit(f"{package} is under {about['license']}, which is none of {', '.join(sorted(ALLOWED))}")
            licences = [name for name in archive.getnames() if name.lower().startswith("package/license")]
            files = {}
            for path in paths:
                name = Path(path).name
                content = read(path).replace(b"../webfonts/", b"")  # all files lie in one folder
                (folder / name).write_bytes(content)
                files[name] = hashlib.sha256(content).hexdigest()
            text = read(licences[0].removeprefix("package/")).decode() if licences else ""
    author = about.get("author", "")
    return {
        "package": package,
        "licence": about["license"],
        "author": author if isinstance(author, str) else author.get("name", ""),
        "files": files,
        "licence_text": text,
    }


def main() -> None:
    """Fetch every package; what is no longer named goes."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    for old in ASSETS.iterdir():
        old.unlink()
    about = [fetch(package, paths, ASSETS) for package, paths in PACKAGES.items()]
    (ASSETS / "assets.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
