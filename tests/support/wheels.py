"""Wheels of what is installed here, so that ``pip install`` works on a machine without a network."""

import re
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["write_wheels"]


def write_wheels(directory: Path, *names: str) -> None:
    """Write a wheel for each distribution and for all that it needs.

    Args:
        directory: gets the wheels.
        names: what to begin with, each a requirement.
    """
    waiting = [Requirement(name) for name in names]
    seen: set[str] = set()
    while waiting:
        need = waiting.pop()
        if str(need) in seen:
            continue
        seen.add(str(need))
        try:
            found = distribution(need.name)
        except PackageNotFoundError:
            continue  # needed on another platform or by another Python
        extras = need.extras or {""}
        wanted = [Requirement(text) for text in found.requires or ()]
        waiting += [
            one
            for one in wanted
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        ]
        _write(directory, found)


def _write(directory: Path, found: Distribution) -> None:
    """Zip a distribution's files, those in ``bin`` apart, which pip makes anew (PEP 427)."""
    tags = re.findall(r"^Tag: (\S+)$", found.read_text("WHEEL") or "", re.MULTILINE)
    python, abi, platform = (".".join(sorted({tag.split("-")[n] for tag in tags})) for n in range(3))
    stem = f"{_plain(found.metadata['Name']).replace('-', '_')}-{found.version}"
    with zipfile.ZipFile(directory / f"{stem}-{python}-{abi}-{platform}.whl", "w") as archive:
        record = []
        info = ""
        for file in found.files or ():
            name = file.as_posix()
            if name.startswith(("..", "/")) or "__pycache__" in name:
                continue
            folder = name.partition("/")[0]
            if folder.endswith(".dist-info"):
                info = f"{stem}.dist-info"
                if name.rpartition("/")[2] in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
                    continue
                name = info + name.removeprefix(folder)
            archive.write(file.locate(), name)
            record.append(f"{name},,")
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
