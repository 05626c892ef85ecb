"""Take the pictures of the page in docs/serving.md, docs/images/page-*.png: `python -m tools.page_pictures`.

The real service with a linear model of scikit-learn's digits, made here in seconds; a three is drawn with the mouse.
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from tests.digits import digits
from tests.real_servers import lean_command, wait_until_ready
from tests.toy_models import write_bento, write_model
from tools.browser import Tab, browser

from gristmill.ground.files import read_json, write_json
from gristmill.serving.command import free_port

ROOT = Path(__file__).resolve().parent.parent
N_TRAIN, N_ALL = 1400, 1797
CONTRACT = {
    "kind": "images",
    "task": "classification",
    "classes": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "image": {"height": 28, "width": 28},
    "inputs": [{"name": "images", "dtype": "uint8", "shape": ["N", 28, 28]}],
}
THREE = [(0.3, 0.2), (0.45, 0.12), (0.62, 0.16), (0.66, 0.28), (0.6, 0.4), (0.45, 0.47), (0.62, 0.54), (0.68, 0.68)]
THREE += [(0.62, 0.82), (0.48, 0.88), (0.3, 0.82)]


def main() -> int:
    """Take both pictures."""
    with tempfile.TemporaryDirectory(prefix="gristmill-page-") as folder:
        _write_bento(Path(folder) / "bento")
        port = free_port()
        process = subprocess.Popen(lean_command(port), env={**os.environ, "GRISTMILL_BENTO": f"{folder}/bento"})
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process)
            with browser(Path(folder) / "profile") as tab:
                for scheme in ("light", "dark"):
                    _take(tab, f"http://127.0.0.1:{port}/", scheme)
        finally:
            process.kill()
            process.wait()
    return 0


def _write_bento(bento: Path) -> None:
    images, labels = digits(0, N_ALL)
    x = images.reshape(N_ALL, -1) / 255
    fitted = LogisticRegression(C=0.02, fit_intercept=False, max_iter=1000).fit(x[:N_TRAIN], labels[:N_TRAIN])
    source = write_bento(bento, CONTRACT)
    model_sha256 = write_model(source / "model", CONTRACT, workload="digits", learnt=fitted.coef_.T / 255)
    write_json(source / "package.json", read_json(source / "package.json") | {"model_sha256": model_sha256})
    n = N_ALL - N_TRAIN
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    write_json(
        bento / "deployment.json",
        {
            "workload": "digits",
            "version": "v1.0.0",
            "verdict": "PROMOTE",
            "sentence": "Every floor holds, and there is no champion to compare with.",
            "reason": "the first version",
            "metrics": {"holdout": {"accuracy": float(np.mean(fitted.predict(x[-n:]) == labels[-n:])), "n": n}},
            "data_version": hashlib.sha256(images.tobytes()).hexdigest()[:32],
            "commit": commit.strip(),
        },
    )


def _take(tab: Tab, url: str, scheme: str) -> None:
    tab.open(url, width=1000, height=820, scheme=scheme)
    tab.draw("#canvas", THREE)
    tab.click("#ask")
    tab.until("!document.querySelector('#answer').hidden")
    tab.script("document.activeElement.blur(), scrollTo(0, 0)")
    taken = Image.open(io.BytesIO(tab.picture())).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    taken.save(ROOT / "docs" / "images" / f"page-{scheme}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())
