"""What is written for contributors is true: paths exist, versions agree, the templates and workflows can be read."""

import re
from pathlib import Path

import pytest

import minigrad as mg

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md"])
def test_paths_exist(page):
    paths = re.findall(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:md|toml))`", (ROOT / page).read_text(encoding="utf-8"))
    starts = ("minigrad/", "kernels/", "tests/", "benchmarks/", ".ci/")
    named = [path for path in paths if path.startswith(starts) or path.endswith((".md", ".toml"))]
    assert page == "SECURITY.md" or named
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing, missing


def test_commands_name_tests_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = re.findall(r"^pytest .*?(tests/\S*)", text, re.MULTILINE)
    assert targets and all((ROOT / target).exists() for target in targets)


def test_changelog_begins_with_this_version():
    versions = re.findall(r"^## \[(\S+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == mg.__version__


@pytest.mark.parametrize("pattern", [".github/**/*.yml", ".pre-commit-config.yaml"])
def test_yaml_can_be_read(pattern):
    yaml = pytest.importorskip("yaml")
    files = list(ROOT.glob(pattern))
    assert files
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict), file


def test_the_workflow_runs_on_every_python_that_is_supported():
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
