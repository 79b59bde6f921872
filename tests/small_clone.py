"""A folder to type commands of the pages in: examples/ as in a clone, but for a hundredth of the edges."""

import gzip
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "examples" / "fb15k-237"


@pytest.fixture
def small_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give that folder, which is the current one."""
    folder = tmp_path / "examples" / SOURCE.name
    folder.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        write_sample(SOURCE / f"{split}.tsv.gz", folder / f"{split}.tsv.gz")
    shutil.copy(SOURCE / "names.tsv.gz", folder)
    shutil.copy(ROOT / "examples" / "fb15k-237.toml", folder.parent)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_sample(source: Path, target: Path) -> None:
    """Write a hundredth of the edges, and all of those that the pages ask for."""
    with gzip.open(source, "rt") as file:
        edges = list(file)
    asked_for = [edge for edge in edges if "/m/03r0g9\t" in edge or "\t/m/03r0g9" in edge]
    with gzip.open(target, "wt") as file:
        file.writelines(dict.fromkeys([*edges[::100], *asked_for, *(e for e in edges if "/m/08gsvw" in e)]))
