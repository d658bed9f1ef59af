"""Writes the list of everything that Hookline is made of: ``sbom.cdx.json``, in CycloneDX.

    make sbom

It holds every package of ``requirements.lock`` with its hashes (also those of the tests), every
file that ``hookline up`` downloads, the files of others in the dashboard, and the images of the
example for containers. The same
repository gives the same bytes: there is no time and no serial number in it.

It runs in an environment of its own, with nothing but the library that makes it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests import ROOT, pin_images

DOWNLOADS = ROOT / "hookline" / "local" / "servers" / "downloads.json"
VENDORED = ROOT / "hookline" / "dashboard" / "vendored" / "vendored.json"
TARGET = ROOT / "sbom.cdx.json"


def main() -> None:
    """Write the document, to the file that is named or to the usual one."""
    target = Path(sys.argv[1]) if sys.argv[1:] else TARGET
    document = _packages()
    document["components"] += [*_downloads(), *_vendored(), *_images()]
    document["components"].sort(key=lambda component: str(component["bom-ref"]))
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if (problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        sys.exit(f"this is no CycloneDX document: {problem}")
    target.write_text(text)
    print(f"{len(document['components'])} components in {target}")


def _packages() -> dict[str, Any]:
    # It warns that a lock says nothing of who needs whom.
    python = [sys.executable, "-W", "ignore:The Component this BOM is describing"]
    command = [*python, "-m", "cyclonedx_py", "requirements", "requirements.lock"]
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--sv", "1.6"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _downloads() -> Iterator[dict[str, Any]]:
    """The files that come from Maven Central, with their hashes."""
    for part, files in json.loads(DOWNLOADS.read_text()).items():
        for name, file in files.items():
            if "maven" not in file:
                continue
            group, artifact, version = file["maven"].split(":")
            kind = "?classifier=all&type=tar.gz" if name.endswith(".tar.gz") else "?type=jar"
            purl = f"pkg:maven/{group}/{artifact}@{version}{kind}"
            yield {
                "type": "library",
                "bom-ref": purl,
                "group": group,
                "name": artifact,
                "version": version,
                "purl": purl,
                "description": f"of {part}, which `hookline up` downloads",
                "hashes": [{"alg": "SHA-256", "content": file["sha256"]}],
            }


def _vendored() -> Iterator[dict[str, Any]]:
    """The files of others that the dashboard serves."""
    for name, file in json.loads(VENDORED.read_text()).items():
        package = file["package"].removeprefix("npm:")
        yield {
            "type": "library",
            "bom-ref": f"pkg:npm/{package}@{file['version']}",
            "name": package,
            "version": file["version"],
            "purl": f"pkg:npm/{package}@{file['version']}",
            "description": f"{name}, which `hookline dashboard` serves",
            "licenses": [{"license": {"id": file["licence"]}}],
            "hashes": [{"alg": "SHA-256", "content": file["sha256"]}],
        }


def _images() -> Iterator[dict[str, Any]]:
    """The images that the example for containers names."""
    found = {
        image for file in pin_images.FILES for image in pin_images.images((ROOT / file).read_text())
    }
    for reference, digest in sorted(found, key=str):
        name, _, version = reference.partition(":")
        component: dict[str, Any] = {
            "type": "container",
            "bom-ref": f"image:{reference}",
            "name": name,
            "version": version,
        }
        if digest is not None:
            component["hashes"] = [{"alg": "SHA-256", "content": digest.partition(":")[2]}]
        yield component


if __name__ == "__main__":
    main()
