"""Bundle the model that the verdict allows with today's serving code.

PROMOTE and HOLD package the challenger, REJECT the champion: so a fix in the serving code ships after any verdict. What
is packaged was evaluated as it is; nothing is converted here.
"""

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pydantic import Field

from gristmill.adapters.bento import build_bento
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import content_sha256, new_folder, read_json, write_json
from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload
from gristmill.serving.golden import FILE as GOLDEN
from gristmill.serving.golden import golden_batch
from gristmill.serving.predictor import load_predictor
from gristmill.serving.wheel import closure, code_sha256, write_wheel

# What a Bento's environment is pinned to, beside BentoML itself; each is a parameter of this stage in dvc.yaml.
_LIBRARIES = (
    "httptools",
    "numpy",
    "onnxruntime",
    "orjson",
    "pillow",
    "prometheus_client",
    "pydantic",
    "pyyaml",
    "starlette",
    "uvicorn",
    "uvloop",
)
# The ONNX file holds the weights, so model.safetensors stays here; and whose records were trained on is nobody's business.
_MODEL_FILES = ("model.onnx", "manifest.json", "contract.json")
_SERVICE_FILES = ("service.py", "bentofile.yaml")


class PackageError(GristmillError):
    """What should be packaged does not fit together."""


class PackageSettings(Settings):
    """What a Bento says of itself."""

    description: str = Field(default="", max_length=2000)
    """What the model is for, in a sentence or two: the Bento's README begins with it."""


def package(workload: Workload) -> None:
    """Write models/<w>/package: package.json, and the Bento unless there is no model to be packaged.

    Raises:
        PackageError: the verdict is about another challenger, or a model folder is not complete.
        ModelError: the model does not answer under today's serving code.
    """
    settings = PackageSettings.read(workload.params, "package")
    which, sentence = _choose(workload)
    model = workload.challenger if which == "challenger" else workload.champion
    services = workload.root / "services"
    modules = _serving_code(services, workload.kind)
    service_files = {name: (services / name).read_bytes() for name in _SERVICE_FILES}
    serving_sha256 = code_sha256({**modules, **service_files})
    content: dict[str, Any] = {"kind": workload.kind, "model": which, "serving_sha256": serving_sha256}
    print(f"package: {sentence}")
    with new_folder(workload.package) as folder:
        if which is None:
            nothing = {"model_sha256": None, "contract_sha256": None, "bento": None, "sentence": sentence}
            write_json(folder / "package.json", {**content, **nothing})
            return
        predictor = load_predictor(model)
        manifest, golden = predictor.manifest, golden_batch(predictor)
        content |= {"model_sha256": manifest["model_sha256"], "contract_sha256": manifest["contract_sha256"]}
        content["golden_sha256"] = hashlib.sha256(golden).hexdigest()
        requirements = _requirements()
        identity = {**content, "manifest": manifest, "requirements": requirements, "description": settings.description}
        version = content_sha256(identity)[:16]
        content["bento"] = f"{workload.name}:{version}"
        write_json(folder / "package.json", content)
        with tempfile.TemporaryDirectory(prefix="gristmill-package-") as scratch:
            context = Path(scratch)
            for name, source in service_files.items():
                (context / name).write_bytes(source)
            write_wheel(context, modules)
            (context / "requirements.txt").write_text(requirements, "utf-8")
            (context / "README.md").write_text(_readme(workload, settings), "utf-8")
            (context / "package.json").write_text(json.dumps(content, indent=1, sort_keys=True), "utf-8")
            (context / "model").mkdir()
            for name in _MODEL_FILES:
                shutil.copyfile(model / name, context / "model" / name)
            (context / "model" / GOLDEN).write_bytes(golden)
            build_bento(context, workload.name, version, folder / f"{workload.name}.bento")
    print(
        f"package: {content['bento']} holds model {content['model_sha256'][:12]} and serving code {serving_sha256[:12]}"
    )


def _choose(workload: Workload) -> tuple[str | None, str]:
    gate = read_json(workload.reports / "gate.json")
    challenger = read_json(workload.challenger / "manifest.json")["model_sha256"]
    if gate["challenger_sha256"] != challenger:
        raise PackageError(
            f"{workload.reports}/gate.json is about another challenger than the one in {workload.challenger}. "
            f"Run `dvc repro package@{workload.name}`, which evaluates it first."
        )
    verdict = gate["verdict"]
    if verdict in ("PROMOTE", "HOLD"):
        return "challenger", f"the verdict is {verdict}: the challenger is packaged."
    if read_json(workload.champion / "manifest.json")["model_sha256"] is not None:
        return "champion", f"the verdict is {verdict}: the champion is packaged, with today's serving code."
    return None, f"the verdict is {verdict}, and no model is in production: there is nothing to package."


def _serving_code(services: Path, kind: str) -> dict[str, bytes]:
    loaded_by_name = [f"gristmill.kinds.{kind}.answers", f"gristmill.kinds.{kind}.tensors"]
    return closure(services / "service.py", loaded_by_name, Path(__file__).resolve().parents[2])


def _requirements() -> str:
    return "".join(f"{library}=={importlib.metadata.version(library)}\n" for library in ("bentoml", *_LIBRARIES))


def _readme(workload: Workload, settings: PackageSettings) -> str:
    about = f"{settings.description}\n\n" if settings.description else ""
    return (
        f"# {workload.name}\n\n{about}A model of kind `{workload.kind}`, packaged by Gristmill.\n\n"
        "    bentoml serve . --host 127.0.0.1 --port 3000\n\n"
        "`POST /predict` answers; `GET /schema` shows what may be asked, with an example; `GET /model` what is served.\n"
        "Bento's own client finds the typed route: `bentoml.SyncHTTPClient(url).predict(example)`.\n"
    )
