"""A Debian with nothing in it, as the images' base is, in which a Dockerfile's instructions are carried out.

There is no docker here. debootstrap puts the packages that Debian's own images consist of into a folder, and
a process whose root that folder is, with its own mounts and processes, runs what RUN says. It shares the
machine's network, kernel and mirrors. What a registry would serve, and how docker builds, stays untried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.docker.dockerfile import Stage

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOUNT = """
set -e
root=$1; shift
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do mount --bind "$1" "$root$1"; shift; done; shift
exec chroot "$@"
"""


def why_not() -> str | None:
    """Why no such system can be made here; None where it can."""
    if os.geteuid() != 0:
        return "only root may make one"
    for program in ("apt-get", "dpkg-deb", "unshare", "chroot"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else f"unshare: {done.stderr.decode().strip()}"


def make_debian(folder: Path, suite: str, work: Path) -> None:
    """Debian's minimal system in ``folder``, with the mirror that apt knows; debootstrap is not installed."""
    work.mkdir()
    _checked(["apt-get", "download", "debootstrap"], work)
    (package,) = work.glob("debootstrap_*.deb")
    _checked(["dpkg-deb", "--extract", package, work / "unpacked"], work)
    program = work / "unpacked" / "usr" / "sbin" / "debootstrap"
    environment = {**os.environ, "DEBOOTSTRAP_DIR": str(work / "unpacked" / "usr" / "share" / "debootstrap")}
    words = ["sh", program, "--variant=minbase", suite, folder, "http://deb.debian.org/debian"]
    _checked(words, work, environment)


def _checked(words: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, f"{' '.join(map(str, words))} ended with {done.returncode}\n{said}"
    return done.stdout


@dataclass(frozen=True)
class Settings:
    """How pip of this machine finds packages, for the pip of another root."""

    environment: Mapping[str, str]
    folders: tuple[Path, ...]
    """Named by the settings; they have to be seen there too."""
    certificates: Path | None

    @classmethod
    def of_this_machine(cls) -> Settings:
        """As ``pip config list`` prints them."""
        printed = _checked([sys.executable, "-m", "pip", "config", "list"], Path.cwd())
        found = dict(re.findall(r"^\S*?\.([a-z-]+)='(.*)'$", printed, flags=re.MULTILINE))
        certificates = found.pop("cert", None)
        wanted = {
            name: found[name] for name in ("index-url", "extra-index-url", "find-links") if name in found
        }
        named = [Path(path) for text in wanted.values() for path in re.findall(r"(/\w[\w/.-]*)", text)]
        # The files of an index lie beside its pages.
        beside = [folder.parent if folder.name == "simple" else folder for folder in named]
        folders = tuple(sorted({folder for folder in beside if folder.is_dir()}))
        environment = {
            f"PIP_{name.replace('-', '_').upper()}": text.replace("\\n", " ") for name, text in wanted.items()
        }
        return cls(environment, folders, Path(certificates) if certificates else None)


@dataclass
class EmptySystem:
    """A root of its own, and where a Dockerfile has come to in it."""

    root: Path
    settings: Settings
    variables: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"

    def carry_out(
        self, stage: Stage, context: Path, earlier: Mapping[str, Path], arguments: Mapping[str, str]
    ) -> None:
        """All instructions of a stage.

        Args:
            stage: of a Dockerfile.
            context: the folder that COPY takes from.
            earlier: roots of earlier stages by name.
            arguments: values of ARG, as --build-arg gives them.
        """
        for each in stage.instructions:
            if each.name == "RUN":
                self.run(["/bin/sh", "-c", each.text])
            elif each.name in ("ENV", "ARG"):
                name, value = each.pair
                self.variables[name] = arguments.get(name, value) if each.name == "ARG" else value
            elif each.name == "USER":
                self.user = each.text
            elif each.name == "WORKDIR":
                self.folder = each.text
                self.inside(each.text).mkdir(parents=True, exist_ok=True)
            elif each.name == "COPY":
                self._copy(each.words, context, earlier)
            elif each.name == "VOLUME":
                self.inside(each.text).mkdir(parents=True, exist_ok=True)

    def run(self, words: Sequence[str]) -> str:
        """What a command prints there, by the user, in the folder and with the variables of now."""
        binds = [str(folder) for folder in self.settings.folders]
        for folder in binds:
            self.inside(folder).mkdir(parents=True, exist_ok=True)
        variables = {"PATH": PATH, "HOME": self._home(), **self.settings.environment, **self.variables}
        if self.settings.certificates is not None:
            shutil.copyfile(self.settings.certificates, self.inside("/run/certificates-of-the-machine.pem"))
            variables["PIP_CERT"] = "/run/certificates-of-the-machine.pem"
        here = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self.folder]
        command = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "sh",
            "-c",
            _MOUNT,
            "sh",
            str(self.root),
            *binds,
            "--",
        ]
        return _checked([*command, f"--userspec={self.user}", self.root, *here, *words], self.root, variables)

    def inside(self, path: str) -> Path:
        """A path of that system, as this machine sees it."""
        return self.root / path.lstrip("/")

    def _home(self) -> str:
        number = self.user.partition(":")[0]
        for line in self.inside("/etc/passwd").read_text(encoding="utf-8").splitlines():
            _, _, found, _, _, home, _ = line.split(":")
            if found == number:
                return home
        return "/"

    def _copy(self, words: list[str], context: Path, earlier: Mapping[str, Path]) -> None:
        options = dict(word[2:].split("=") for word in words if word.startswith("--"))
        source, target = (word for word in words if not word.startswith("--"))
        origin = earlier[options["from"]] if "from" in options else context
        place = self.inside(target if target.startswith("/") else f"{self.folder}/{target}")
        place.mkdir(parents=True, exist_ok=True)
        _checked(["cp", "--archive", f"{origin / source.lstrip('/')}/.", place], self.root)
        inside = f"/{place.relative_to(self.root)}"
        chown = ["chown", "--recursive", "--no-dereference", options.get("chown", "0:0"), inside]
        _checked(["chroot", self.root, *chown], self.root)
