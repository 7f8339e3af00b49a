"""Send a bundle to the Hugging Face hub: verified first, everything in one commit, a model card with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.arguments import as_path
from pitome.bundle import DIGEST_NAME, MANIFEST_NAME, Manifest, verify_bundle
from pitome.bundle.hub import parse_hub_name
from pitome.bundle.record import SIGNATURE_NAME
from pitome.bundle.signature_file import check_files, read_signature
from pitome.bundle.verification import unknown_files
from pitome.errors import BundleError, InputError
from pitome.hub_answers import COMMIT, model_info
from pitome.serving.hub.model_card import model_card
from pitome.serving.hub.refusals import push_errors

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

CARD_NAME = "README.md"
_GIT_NAME = ".gitattributes"
_MAIN = "main"
_SMALL = 5 * 1024 * 1024
"""Bytes up to which a file is read once, checked, and sent from memory."""


@dataclass(frozen=True)
class PushOptions:
    """How a bundle is sent."""

    revision: str | None = None
    """Branch, made where it is not there; None = main."""
    private: bool = False
    """The repository is to be private."""
    token: str | None = field(default=None, repr=False)
    """Of an account that may write there; None = the environment's, or the one that is logged in."""
    allow_random: bool = False
    """Send random weights too; the model card says what they are."""


@dataclass(frozen=True)
class SentFile:
    """A file that is sent."""

    name: str
    size: int
    """Bytes."""
    sha256: str
    content: bytes | None = field(default=None, repr=False)
    """Of what is made or small; None = it is sent from the folder."""


@dataclass(frozen=True)
class PushPlan:
    """What is sent, and where to; nothing was asked of the hub yet."""

    folder: Path
    repository: str
    revision: str
    files: tuple[SentFile, ...]
    card: str
    not_sent: tuple[str, ...]
    """What lies in the folder beside the bundle."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def asked(self) -> str:
        """As an error says it."""
        branch = f", branch {self.revision}" if self.revision != _MAIN else ""
        return f"push {self.folder} to {self.repository}{branch}"


@dataclass(frozen=True)
class Pushed:
    """What a push left on the hub."""

    repository: str
    commit: str
    url: str
    removed: tuple[str, ...]
    """Files that the revision had and the bundle does not have."""


def plan_push(folder: Path, repository: str, options: PushOptions | None = None) -> PushPlan:
    """Verify a bundle and say what would be sent.

    Args:
        folder: the bundle's.
        repository: ``org/name``.
        options: how it is to be sent.

    Raises:
        InputError: a repository's name that is none; random weights without leave.
        BundleError: the bundle is damaged, was changed since it was signed, or has a README.md of its own.
    """
    options, folder = options or PushOptions(), as_path(folder, "the bundle")
    asked = f"push {folder} to {repository}"
    _check_names(asked, repository, options.revision)
    manifest = verify_bundle(folder)
    if manifest.model.weights.random and not options.allow_random:
        raise InputError(
            asked,
            "its weights are random: it is right for measuring speed, and knows nothing",
            "Build it with real weights (WEIGHTS=), or say --allow-random; its card then says what it is",
        )
    if any(record.file == CARD_NAME for record in manifest.files()):
        raise BundleError(
            asked,
            f"its {CARD_NAME} is the checkpoint's card, and on the hub the bundle has its own",
            "Build it again with this pitome, which keeps the checkpoint's under another name",
        )
    signed = (folder / SIGNATURE_NAME).exists()
    if signed:
        check_files(folder, read_signature(folder))
    card = model_card(manifest, repository, signed)
    return PushPlan(
        folder,
        repository,
        options.revision or _MAIN,
        tuple(_sent_files(folder, manifest, card, signed)),
        card,
        tuple(unknown_files(folder, manifest)),
    )


def push_bundle(
    plan: PushPlan, options: PushOptions | None = None, report: Callable[[str], None] | None = None
) -> Pushed:
    """Send what was planned, in one commit; a file of the revision that the bundle lacks goes.

    Args:
        plan: what :func:`plan_push` gave.
        options: the same that it had.
        report: is told of each step.

    Raises:
        InputError: no token, no right to write, a repository that holds something else, no connection; the
            revision is then as it was.
        BundleError: a file was changed since it was verified.
    """
    options, told = options or PushOptions(), report or (lambda text: None)
    with push_errors(plan.asked), _quiet_bars():
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

        api = HfApi(token=_token(plan.asked, options))
        told(f"ask for {plan.repository}")
        head, there = _revision(api, plan, options)
        sent = {file.name for file in plan.files}
        removed = sorted(there - sent - {_GIT_NAME})
        additions = [
            CommitOperationAdd(
                file.name, str(plan.folder / file.name) if file.content is None else file.content
            )
            for file in plan.files
        ]
        told(f"send {len(additions)} files")
        api.preupload_lfs_files(plan.repository, additions, revision=plan.revision, free_memory=False)
        _check_sent(plan, additions)
        told("commit")
        commit = api.create_commit(
            plan.repository,
            [*additions, *(CommitOperationDelete(name, is_folder=False) for name in removed)],
            commit_message=f"pitome push {plan.folder.resolve().name}",
            revision=plan.revision,
            parent_commit=head,
        )
    return Pushed(plan.repository, commit.oid, commit.commit_url, tuple(removed))


def _check_names(asked: str, repository: str, revision: str | None) -> None:
    name = parse_hub_name(repository)
    if name is None:
        raise InputError(asked, f"{repository} is no name of a repository", "Give org/name")
    if name.revision is not None:
        raise InputError(
            asked,
            "a repository's name has no revision in it",
            f"Give {name.id} and --revision {name.revision}",
        )
    if revision is not None and (COMMIT.fullmatch(revision) or not revision.strip("/ ")):
        raise InputError(
            f"{asked} as revision {revision!r}",
            "a push makes a new commit on a branch",
            "Give the name of a branch, or none for main",
        )


def _sent_files(folder: Path, manifest: Manifest, card: str, signed: bool) -> Iterator[SentFile]:
    """Each once, its content as it was verified."""
    yield _made(CARD_NAME, card.encode())
    digests = {record.file: record.sha256 for record in manifest.files()}
    own = (MANIFEST_NAME, DIGEST_NAME, *([SIGNATURE_NAME] if signed else []))
    for name in (*own, *sorted(digests)):
        path = folder / name
        size = path.stat().st_size
        if name in own or size <= _SMALL:
            file = _made(name, path.read_bytes())
            if digests.get(name, file.sha256) != file.sha256:
                raise _changed(f"push {folder}", name)
            yield file
        else:
            yield SentFile(name, size, digests[name])


def _made(name: str, content: bytes) -> SentFile:
    return SentFile(name, len(content), hashlib.sha256(content).hexdigest(), content)


def _changed(asked: str, name: str) -> BundleError:
    return BundleError(
        asked, f"{name} was changed while it was sent", "Push it again when nothing writes there"
    )


def _token(asked: str, options: PushOptions) -> str:
    from huggingface_hub import get_token

    token = options.token or get_token()
    if token is None:
        raise InputError(
            asked,
            "there is no token of the hub: nobody is logged in, and HF_TOKEN is not set",
            "Log in with `hf auth login`, set HF_TOKEN, or give --token",
        )
    if not re.fullmatch("[!-~]+", token):  # else the library would say it, with the token
        raise InputError(
            asked, "the token holds blanks or other letters that no token has", "Give it as the hub shows it"
        )
    return token


def _revision(api: HfApi, plan: PushPlan, options: PushOptions) -> tuple[str, set[str]]:
    """The commit that the push comes after, and the names of its files; repository and branch are made."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = model_info(api, plan.asked, plan.repository)
    except RepositoryNotFoundError:
        api.create_repo(plan.repository, private=options.private)
        info = model_info(api, plan.asked, plan.repository)
    if options.private and not info.private:
        raise InputError(
            plan.asked,
            "the repository is there and public",
            "Make it private on the hub, give another one, or leave --private out",
        )
    if plan.revision != _MAIN:
        try:
            info = model_info(api, plan.asked, plan.repository, plan.revision)
        except RevisionNotFoundError:
            _require_own(plan, _names(info.siblings))
            api.create_branch(plan.repository, branch=plan.revision)
            info = model_info(api, plan.asked, plan.repository, plan.revision)
    names = _names(info.siblings)
    _require_own(plan, names)
    return info.sha or "", names


def _names(siblings: Sequence[object] | None) -> set[str]:
    return {str(getattr(each, "rfilename", "")) for each in siblings or ()}


def _require_own(plan: PushPlan, names: set[str]) -> None:
    """Refuse to replace what no push wrote: a checkpoint's repository must not lose its weights."""
    foreign = names - {_GIT_NAME, CARD_NAME}
    if foreign and not {MANIFEST_NAME, DIGEST_NAME} <= foreign:
        shown = ", ".join(sorted(foreign)[:3])
        raise InputError(
            plan.asked,
            f"the repository holds something other than a bundle ({shown})",
            "Give a repository of its own",
        )


def _check_sent(plan: PushPlan, additions: Sequence[CommitOperationAdd]) -> None:
    """What went up by its name in the folder has the digest that was verified; no commit names it yet."""
    for file, addition in zip(plan.files, additions, strict=True):
        if file.content is None and addition.upload_info.sha256.hex() != file.sha256:
            raise _changed(plan.asked, file.name)


@contextmanager
def _quiet_bars() -> Iterator[None]:
    """Without the library's own progress bars, which know nothing of ours."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    before = are_progress_bars_disabled()
    if not before:
        disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()
