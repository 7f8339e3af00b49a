"""What is installed: one import package, with all that it needs, from a wheel as from an sdist."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import pitome
from pitome.errors import BackendError
from pitome.extras import EXTRA_OF, naming_extras
from pitome.runtime.installation import check_onnxruntime
from tests.checkout import ROOT
from tests.environments import (
    EXTRAS,
    PROJECT,
    Environment,
    make_environment,
    requirements,
    with_dependencies,
)
from tests.trees import copy_of_the_checkout

SMALL_BUILD = (
    "fashion-vit",
    "--latency-seconds",
    "0.2",
    "--parity-images",
    "4",
    "--batch",
    "1",
    "--targets",
    "sm89",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """setuptools leaves build/ and an egg-info where it builds."""
    return copy_of_the_checkout(tmp_path_factory.mktemp("source"))


def build_wheel(source: Path, folder: Path) -> Path:
    words = [
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--quiet",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([sys.executable, *words, "--wheel-dir", folder, source], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(checkout, tmp_path_factory.mktemp("wheel"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


# --- what is in it ----------------------------------------------------------------------------------------


def test_a_wheel_owns_one_import_name(wheel: Path) -> None:
    version = f"pitome-{pitome.__version__}"
    assert wheel.name == f"{version}-py3-none-any.whl"
    assert {name.partition("/")[0] for name in names(wheel)} == {"pitome", f"{version}.dist-info"}


def test_everything_comes_along(wheel: Path) -> None:
    """Every tracked file of the package's folders, by the path that it has through the links."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    folders = ("export", "validate", "engine", "cli", "plugins")
    wanted = {f"pitome/{name}" for name in tracked if name.startswith(tuple(f"{each}/" for each in folders))}
    wanted |= {name for name in tracked if name.startswith("pitome/") and name[7:] not in folders}
    wanted.discard("pitome/plugins/.clang-format")
    assert {name for name in names(wheel) if name.startswith("pitome/")} == wanted


def test_the_version_has_one_place(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    assert f"\nVersion: {pitome.__version__}\n" in text
    assert "\nProject-URL: Paper, https://arxiv.org/abs/2405.16148\n" in text
    assert "version" not in PROJECT, "pitome/version.py has it"


def test_an_sdist_builds_the_same_wheel(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=checkout, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert not [member.name for member in archive if member.issym() or member.islnk()]
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert names(build_wheel(source, tmp_path / "wheel")) == names(wheel)


# --- what it does where it is installed -------------------------------------------------------------------


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """No extra."""
    environment = make_environment(
        tmp_path_factory.mktemp("core"), with_dependencies([*requirements(None), "pip"])
    )
    environment.pip("install", "--no-deps", "--no-index", wheel)
    return environment


@pytest.fixture(scope="module")
def builder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The extra build, and nothing else that is installed here."""
    environment = make_environment(tmp_path_factory.mktemp("build"), with_dependencies(requirements("build")))
    environment.pip("install", "--no-deps", "--no-index", wheel)
    return environment


@pytest.fixture(scope="module")
def bundle(builder: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    builder.output(folder, "pitome", "engine", *SMALL_BUILD)
    return folder / "build" / "fashion-vit"


def test_the_core_lists_models_and_says_its_version(core: Environment, tmp_path: Path) -> None:
    assert pitome.__version__ in core.output(tmp_path, "pitome", "--version")
    assert "clip-b16" in core.output(tmp_path, "pitome", "models")


def test_the_core_brings_no_torch_and_no_runtime(core: Environment) -> None:
    present = {path.name for path in core.site_packages.iterdir()}
    assert not present & {"torch", "onnxruntime", "sklearn", "skimage", "scipy", "transformers", "matplotlib"}


def test_what_the_core_lacks_is_an_error_that_names_the_extra(core: Environment, tmp_path: Path) -> None:
    done = core.run(tmp_path, "pitome", "engine", "fashion-vit")
    assert done.returncode == 2
    assert "is not installed; the extra build brings it. Run pip install '.[build]'" in done.stderr
    assert "Traceback" not in done.stderr
    done = core.run(tmp_path, "python", "-c", "import pitome; pitome.compress")
    assert (
        "pitome.compress: the Python package torch is not installed; the extra build brings it" in done.stderr
    )


def test_help_and_dir_show_what_the_core_can_do(core: Environment, tmp_path: Path) -> None:
    shown = core.output(tmp_path, "python", "-c", "import pitome; print(*dir(pitome)); help(pitome)")
    names = [
        "MergeParameters",
        "MergeSettings",
        "ScheduleOptions",
        "TokenSchedule",
        "__version__",
        "load",
        "preprocess",
    ]
    assert shown.splitlines()[0].split() == names


def test_the_thresholds_come_along(core: Environment, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pitome.validate.thresholds import Thresholds; "
        "print(Thresholds.load(Path(sys.argv[1])) == Thresholds())"
    )
    written = ROOT / "docs" / "thresholds.toml"
    assert core.output(tmp_path, "python", "-c", code, written) == "True\n"


@pytest.mark.full
def test_the_plugin_is_built_from_the_package(core: Environment, tmp_path: Path) -> None:
    core.output(tmp_path, "pitome", "plugin", "--host")
    assert (tmp_path / "build" / "plugin" / "libpitome_plugin_host.so").is_file()


@pytest.mark.full
def test_the_extra_build_is_all_that_a_build_imports(bundle: Path) -> None:
    assert (bundle / "report.html").is_file()
    assert (bundle / "manifest.json").is_file()


@pytest.mark.full
def test_the_core_verifies_a_bundle(core: Environment, bundle: Path, tmp_path: Path) -> None:
    assert "fashion-vit" in core.output(tmp_path, "pitome", "inspect", bundle)


def test_an_editable_install_finds_the_folders_through_the_links(checkout: Path, tmp_path: Path) -> None:
    found = with_dependencies([*requirements(None), "setuptools"])
    environment = make_environment(tmp_path / "environment", found)
    environment.pip("install", "--no-deps", "--no-index", "--no-build-isolation", "--editable", checkout)
    code = "import pitome.export.plans as found; print(found.__file__)"
    assert (
        environment.output(tmp_path, "python", "-c", code) == f"{checkout}/pitome/export/plans/__init__.py\n"
    )
    assert "clip-b16" in environment.output(tmp_path, "pitome", "models")
    with pytest.raises(AssertionError, match="No module named 'export'"):
        environment.output(tmp_path, "python", "-c", "import export")


def test_another_projects_package_called_validate_does_no_harm(wheel: Path, tmp_path: Path) -> None:
    """configobj installs one; it once took ours along when it was uninstalled."""
    environment = make_environment(tmp_path / "environment", with_dependencies(requirements(None)))
    environment.pip("install", "--no-deps", "--no-index", wheel)
    environment.pip("install", "configobj")
    both = "import validate, pitome.validate; print(validate.__name__, pitome.validate.__name__)"
    assert "configobj" in environment.output(
        tmp_path, "python", "-c", "import validate, configobj; print(configobj.__name__, validate.Validator)"
    )
    assert environment.output(tmp_path, "python", "-c", both).split() == ["validate", "pitome.validate"]
    environment.pip("uninstall", "--yes", "configobj")
    assert "clip-b16" in environment.output(tmp_path, "pitome", "models")
    thresholds = "import pitome.validate.thresholds as found; print(found.Thresholds())"
    assert "arithmetic_factor" in environment.output(tmp_path, "python", "-c", thresholds)


# --- extras -----------------------------------------------------------------------------------------------


def test_every_package_of_an_extra_is_known_by_its_import_name() -> None:
    """So that a missing one is an error that names the extra."""
    of_distribution = {
        "cuda-python": "cuda",
        "model-signing": "model_signing",
        "onnx-ir": "onnx_ir",
        "onnxruntime-gpu": "onnxruntime",
        "pyopenssl": "OpenSSL",
        "pyyaml": "yaml",
        "scikit-image": "skimage",
        "scikit-learn": "sklearn",
        "tensorrt-rtx-cu13": "tensorrt_rtx",
    }
    expected: dict[str, set[str]] = {}
    for extra in ("cpu", "gpu", "build", "embed", "ray", "sign", "validate"):
        for line in EXTRAS[extra]:
            name = Requirement(line).name
            if name != "pitome":
                expected.setdefault(of_distribution.get(name, name), set()).add(extra)
    assert expected.pop("onnxruntime") == {"cpu", "gpu"}
    assert EXTRA_OF["onnxruntime"] == "cpu"
    known = {name: {extra} for name, extra in EXTRA_OF.items() if name != "onnxruntime"}
    assert known == expected


def test_the_page_about_installation_has_every_extra() -> None:
    """Its table names each extra with exactly the packages that pyproject.toml has for it."""
    page = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", page, flags=re.MULTILINE)[1:]
    found = {name.strip("`* "): cell for name, cell in rows}
    assert found.keys() == {"the core", *EXTRAS}
    for name, cell in found.items():
        lines = PROJECT["dependencies"] if name == "the core" else EXTRAS[name]
        wanted = {Requirement(line) for line in lines}
        packages = {each.name for each in wanted if each.name != "pitome"}
        packages |= {extra for each in wanted if each.name == "pitome" for extra in each.extras}
        assert set(re.findall(r"`([^`]+)`", cell)) == packages, name


def test_an_import_that_no_extra_brings_stays_as_it_is() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), naming_extras("anything"):
        __import__("no_such_package")


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path with the metadata of another build of onnxruntime."""
    folder = tmp_path / "onnxruntime_gpu-1.31.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.31.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_onnxruntime_installed_once_is_fine() -> None:
    check_onnxruntime("running a graph")


def test_onnxruntime_installed_twice_is_an_error_that_names_the_repair(distribution: Path) -> None:
    with pytest.raises(BackendError) as caught:
        check_onnxruntime("running a graph")
    assert str(caught.value) == (
        "running a graph: onnxruntime and onnxruntime-gpu are installed, and overwrite each other's files. "
        "Run pip uninstall --yes onnxruntime onnxruntime-gpu, then install one of them, with "
        "pip install '.[cpu]' or pip install '.[gpu]'"
    )
