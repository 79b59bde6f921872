"""The pages of docs/ keep to what is there: keys, links, layers, quoted code."""

import json
import operator
import re
import runpy
import tomllib
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from daskgraph.config import Config, RelationConfig

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)


def test_config_page_is_as_the_models_say() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "config_reference.py"))["page"]()
    assert text_of(ROOT / "docs" / "config.md") == written, "run: python docs/config_reference.py"


def test_benchmarks_page_is_as_recorded() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "benchmarks_page.py"))["page"]()
    assert text_of(ROOT / "docs" / "benchmarks.md") == written, "run: python docs/benchmarks_page.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configs_on_pages_are_good(page: Path) -> None:
    for block in blocks(page, "toml"):
        Config.from_dict(tomllib.loads(block))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", text_of(page)):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_index_links_every_page() -> None:
    index = text_of(ROOT / "docs" / "index.md")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index


def rows_of_pbg_keys() -> list[list[str]]:
    page = text_of(ROOT / "docs" / "differences-from-pbg.md")
    table = page.partition("## From a PBG config")[2].partition("\n\n|")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_map_of_pbg_keys_tells_our_defaults() -> None:
    declared = {"entities": {"T": {}}, "relations": [{"head": "T", "tail": "T"}]}
    defaults: Any = Config.from_dict(declared).to_dict()
    defaults["relations"] = {"0": RelationConfig().model_dump(mode="json")}
    found = 0
    for _, _, ours, default, _ in rows_of_pbg_keys():
        assert bool(ours) == bool(default)
        if ours:
            value = reduce(operator.getitem, ours.strip("`").split("."), defaults)
            assert json.loads(default.strip("`")) == value, ours
            found += 1
    assert found > 30


def test_map_of_pbg_keys_has_all_of_them() -> None:
    reference = ROOT.parent / "shared" / "reference" / "pbg.md"
    if not reference.exists():
        pytest.skip("the catalogue of PBG is not here")
    section = text_of(reference).partition("### ConfigSchema")[2].partition("Not validated")[0]
    keys = {
        key for line in re.findall(r"^\| ([a-z_ /]+) \|", section, re.MULTILINE) for key in line.split(" / ")
    }
    keys -= {"key", "entities", "relations"}
    known = {key for row in rows_of_pbg_keys() for key in re.findall(r"`([a-z_]+)`", row[0])}
    assert len(keys) > 40
    assert keys == known


def test_quoted_code_is_the_code() -> None:
    operators = (ROOT / "kernels" / "daskgraph_kernels" / "operators.py").read_text()
    [block] = blocks(ROOT / "docs" / "architecture.md", "python")
    for part in re.split(r"^# .*\n", block, flags=re.MULTILINE):
        assert part.strip("\n") in operators


@pytest.mark.parametrize("name", re.findall(r"`([\w/]+(?:/|\.py))`", text_of(ROOT / "docs/architecture.md")))
def test_architecture_names_what_is_there(name: str) -> None:
    homes = (ROOT, ROOT / "daskgraph", ROOT / "kernels" / "daskgraph_kernels")
    stores = ("features/", "snapshots/", "staging/")
    assert name in stores or any((home / name).exists() for home in homes)
