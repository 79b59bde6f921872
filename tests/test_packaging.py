"""What setup.cfg promises about the tree."""

from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def setup() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_every_package_is_listed(setup: ConfigParser) -> None:
    tops = {ROOT: "daskgraph", ROOT / "kernels": "daskgraph_kernels"}
    found = [
        ".".join(init.parent.relative_to(root).parts)
        for root, top in tops.items()
        for init in (root / top).rglob("__init__.py")
    ]
    assert setup["options"]["packages"].split() == sorted(found)


def test_kernels_folder_is_no_package() -> None:
    # Another project has a top-level package called `kernels`, which ours would overwrite.
    assert not (ROOT / "kernels" / "__init__.py").exists()


def test_packages_are_typed() -> None:
    assert (ROOT / "daskgraph" / "py.typed").exists()
    assert (ROOT / "kernels" / "daskgraph_kernels" / "py.typed").exists()
