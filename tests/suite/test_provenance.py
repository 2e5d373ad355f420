"""Facts about what a row says of itself."""

from __future__ import annotations

import getpass
import importlib.metadata
import json
import os
import platform
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from suite import provenance
from suite.provenance import NO_CODE, Code, code_of, environment
from suite.records import Run

GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env=os.environ | GIT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with one commit of one source file."""
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "cell.py").write_text("x = 1\n")
    (tmp_path / "results").mkdir()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "suite")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def test_a_clean_checkout_names_its_commit(project: Path) -> None:
    assert code_of(project) == Code(git(project, "rev-parse", "HEAD"), False)


def test_a_changed_source_is_dirty(project: Path) -> None:
    (project / "suite" / "cell.py").write_text("x = 2\n")
    assert code_of(project) == Code(git(project, "rev-parse", "HEAD"), True)


def test_a_staged_change_is_dirty(project: Path) -> None:
    (project / "suite" / "cell.py").write_text("x = 2\n")
    git(project, "add", "suite")
    assert code_of(project).dirty


def test_a_source_that_git_does_not_know_is_dirty(project: Path) -> None:
    (project / "methods").mkdir()
    (project / "methods" / "new.py").write_text("")
    assert code_of(project).dirty


def test_results_and_ignored_files_are_not_dirty(project: Path) -> None:
    (project / ".gitignore").write_text("__pycache__/\n")
    (project / "suite" / "__pycache__").mkdir()
    (project / "suite" / "__pycache__" / "cell.pyc").write_text("")
    (project / "results" / "row").write_text("")
    assert not code_of(project).dirty


def test_before_the_first_commit_there_is_no_commit_but_dirt(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "cell.py").write_text("")
    git(tmp_path, "init", "--quiet")
    assert code_of(tmp_path) == Code("", True)


def test_a_worktree_counts_as_a_checkout(project: Path, tmp_path: Path) -> None:
    other = project / "elsewhere"
    git(project, "worktree", "add", "--quiet", "--detach", str(other))
    assert (other / ".git").is_file()
    assert code_of(other).commit == git(project, "rev-parse", "HEAD")


def test_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert code_of(tmp_path) == NO_CODE == Code("", False)


def test_a_suite_installed_inside_another_repository_does_not_name_that_commit(project: Path) -> None:
    assert code_of(project / "suite") == NO_CODE


def test_the_callers_git_variables_do_not_mislead(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert len(code_of(project).commit) == 40


def test_without_git_there_is_no_commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_of(project) == NO_CODE


def test_a_broken_repository_is_no_commit(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    assert code_of(tmp_path) == NO_CODE


def test_the_project_is_the_folder_of_the_package_not_the_current_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    assert Path(provenance.__file__).parents[1] == provenance.PROJECT
    environment.cache_clear()
    assert environment()["git_commit"] != git(project, "rev-parse", "HEAD")


def test_the_keys_are_columns_of_a_run() -> None:
    assert (
        set(environment()) == {"git_commit", "git_dirty", "packages", "host"} < set(Run.__dataclass_fields__)
    )


def test_it_is_collected_once_and_git_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    environment.cache_clear()
    calls: list[object] = []
    real = subprocess.run

    def counted(*words: object, **options: object) -> object:
        calls.append(words)
        return real(*words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    assert environment() is environment()
    assert len(calls) <= 1


def test_versions_are_those_of_the_installed_packages() -> None:
    import numpy
    import pyarrow

    found = json.loads(environment()["packages"])
    assert found["numpy"] == numpy.__version__
    assert found["pyarrow"] == pyarrow.__version__
    assert set(found) <= set(provenance.PACKAGES)


def test_a_package_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("pyarrow", "no-such-package-anywhere"))
    assert provenance.packages() == {"pyarrow": importlib.metadata.version("pyarrow")}


def test_the_host_is_this_machine() -> None:
    found = json.loads(environment()["host"])
    assert found["cores"] == os.cpu_count()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["os"].startswith(platform.system())
    assert found["cpu"]


def test_the_processor_is_the_first_model_name(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: Fast CPU @ 2.00GHz\nprocessor\t: 1\nmodel name\t: Other\n"
    )
    assert provenance._cpu_model(cpuinfo) == "Fast CPU @ 2.00GHz"
    assert provenance._cpu_model(tmp_path / "none") == (platform.processor() or platform.machine())


def test_no_user_host_name_or_path_is_told() -> None:
    told = environment()["host"] + environment()["packages"]
    words = set(re.findall(r"[A-Za-z0-9_.-]+", told))
    assert not {socket.gethostname(), getpass.getuser()} & words
    assert str(Path.home()) not in told
    assert not re.search(r'"/|/home|/root|/usr', told)


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from suite.provenance import environment; environment();"
        "print({'torch', 'transformers', 'datasets', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
