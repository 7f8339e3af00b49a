"""Sign a bundle with a private key, and verify it with the public one, without a network.

The signature is one of OpenSSF model signing (``model-signing`` of the extra ``sign``), over every file of
the folder but ``model.sig`` itself: the manifest with all that it lists, and nothing beside that. Its own
tool verifies it too: ``model_signing verify key --signature model.sig --public_key KEY --ignore-paths
model.sig .``.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pitome.arguments import as_path
from pitome.bundle.record import SIGNATURE_NAME
from pitome.bundle.signature_file import SignatureFile, check_files, damaged, fault, read_signature
from pitome.bundle.verification import read_manifest, unknown_files, verify_bundle
from pitome.errors import BundleError, InputError
from pitome.regular_file import UnusableFileError, read_regular_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from model_signing.hashing import Config as HashingConfig

PASSWORD_VARIABLE = "PITOME_KEY_PASSWORD"  # noqa: S105 - the name of a variable
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_KEY_LIMIT = 64 * 1024
_MAKE_A_KEY = (
    "Make a pair: `openssl ecparam -name prime256v1 -genkey -noout -out private.pem` and "
    "`openssl ec -in private.pem -pubout -out public.pem`"
)


@dataclass(frozen=True)
class Signed:
    """A signature that holds."""

    key: str
    """Digest (sha256) of the public key in PEM."""
    files: Mapping[str, str]
    """Digest of every file that it is of, by name: who reads one later compares what was read."""


def sign_bundle(folder: Path, private_key_file: Path) -> Signed:
    """Verify a bundle and write its ``model.sig``, in place of one that is there.

    Args:
        folder: the bundle's.
        private_key_file: an elliptic curve key in PEM; the password of an encrypted one is in the environment
            as ``PITOME_KEY_PASSWORD``.

    Raises:
        InputError: the key can't be used.
        BundleError: the bundle is damaged, or its folder holds what its manifest does not list.
    """
    folder, key_file = as_path(folder, "the bundle"), as_path(private_key_file, "the private key")
    password = os.environb.get(PASSWORD_VARIABLE.encode()) or None
    key = _private_key(key_file, password)
    _clear_leftovers(folder)
    manifest = read_manifest(folder)
    if unknown := unknown_files(folder, manifest):
        raise BundleError(
            f"sign {folder}",
            f"it holds what its manifest does not list: {', '.join(unknown[:10])}",
            "Remove that first: a signature is of the bundle and nothing else",
        )
    verify_bundle(folder)
    _write_signature(folder, key_file, password)
    written = read_signature(folder)
    return Signed(_fingerprint(key.public_key()), written.files)


def verify_signature(folder: Path, public_key_file: Path) -> Signed:
    """Verify that a key's owner signed exactly the files of a folder; nothing else of it is read before.

    Args:
        folder: the bundle's.
        public_key_file: an elliptic curve public key in PEM.

    Returns:
        What was signed. The manifest that is read later must have the digest that it has here.

    Raises:
        InputError: the key can't be used.
        SignatureError: there is no signature, it is damaged, or by another key, or a file was changed, added
            or removed since.
    """
    folder, key_file = as_path(folder, "the bundle"), as_path(public_key_file, "the public key")
    key = _public_key(key_file)
    if not folder.is_dir():
        raise BundleError(
            f"the signature of {folder}",
            "there is no such folder",
            "Give the folder that `make engine` wrote, such as build/clip-b16",
        )
    signature = read_signature(folder)
    fingerprint = _fingerprint(key)
    if signature.key != fingerprint:
        raise fault(
            "key",
            folder,
            f"it was made with another key (its public key has sha256 {signature.key[:12]}, "
            f"{public_key_file} has {fingerprint[:12]})",
            "Give the public key of who signed it, and use the bundle only if you trust them",
        )
    _check_key(folder, signature, key)
    _check_folder(folder, signature, key_file)
    return Signed(fingerprint, signature.files)


def _check_key(folder: Path, signature: SignatureFile, key: EllipticCurvePublicKey) -> None:
    """The key signed what the file says: only then is it asked what that is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

    digests: dict[int, HashAlgorithm] = {256: SHA256(), 384: SHA384(), 521: SHA512()}
    try:
        key.verify(signature.signature, signature.signed, ECDSA(digests[key.curve.key_size]))
    except InvalidSignature:
        raise damaged(folder, "its content is not what the key has signed") from None


def _check_folder(folder: Path, signature: SignatureFile, public_key_file: Path) -> None:
    from model_signing.verifying import Config

    # The library reads files by name: it is given the bytes that were looked at, which nobody can change.
    with tempfile.TemporaryDirectory() as private:
        copy = Path(private) / SIGNATURE_NAME
        copy.write_bytes(signature.content)
        verifier = Config().use_elliptic_key_verifier(public_key=public_key_file)
        try:
            verifier.set_hashing_config(_hashing()).verify(folder.resolve(), copy)
        except (ValueError, OSError) as error:
            check_files(folder, signature)  # says which file it is
            raise damaged(folder, " ".join(str(error).split())) from error


def _write_signature(folder: Path, key_file: Path, password: bytes | None) -> None:
    from model_signing.signing import Config

    partial = folder / f".{SIGNATURE_NAME}-{os.getpid()}"
    try:
        with tempfile.TemporaryDirectory() as private:
            written = Path(private) / SIGNATURE_NAME
            # Its type says text, and what reads the key wants bytes.
            signer = Config().use_elliptic_key_signer(private_key=key_file, password=cast("str", password))
            try:
                signer.set_hashing_config(_hashing()).sign(folder.resolve(), written)
            except ValueError as error:
                raise BundleError(
                    f"sign {folder}", str(error), "Put files in place of links, and sign again"
                ) from None
            content = written.read_bytes()
        partial.write_bytes(content)
        partial.replace(folder / SIGNATURE_NAME)
    finally:
        with suppress(OSError):
            partial.unlink()


def _clear_leftovers(folder: Path) -> None:
    """What a killed `pitome sign` left: it would be signed as a file of the bundle."""
    if folder.is_dir():
        for path in folder.glob(f".{SIGNATURE_NAME}-*"):
            with suppress(IsADirectoryError):  # no file of ours: it is refused as unknown
                path.unlink()


def _hashing() -> HashingConfig:
    """All files but the signature; by default the library leaves out those of git too."""
    from model_signing.hashing import Config

    return Config().set_ignored_paths(paths=[SIGNATURE_NAME], ignore_git_paths=False)


def _fingerprint(key: EllipticCurvePublicKey) -> str:
    """As a signature names its key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _private_key(path: Path, password: bytes | None) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    asked, content = f"the private key {path}", _key_content(path, "private")
    if b"PUBLIC KEY-----" in content:
        raise InputError(asked, "it is a public key", "Give the private key, which signs")
    try:
        key = load_pem_private_key(content, password)
    except TypeError:
        told = (
            "it has a password" if password is None else f"it has no password, and {PASSWORD_VARIABLE} is set"
        )
        remedy = f"Set {PASSWORD_VARIABLE} to it" if password is None else f"Unset {PASSWORD_VARIABLE}"
        raise InputError(asked, told, remedy) from None
    except Exception as error:  # cryptography has errors of its own for algorithms that it does not have
        if password is not None and b"ENCRYPTED" in content:
            raise InputError(
                asked, f"{PASSWORD_VARIABLE} is not its password, or it is damaged", "Correct the password"
            ) from None
        raise InputError(asked, f"it is no private key in PEM ({_first_line(error)})", _MAKE_A_KEY) from None
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name not in _CURVES:
        raise _wrong_kind(asked, key)
    return key


def _public_key(path: Path) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    asked, content = f"the public key {path}", _key_content(path, "public")
    if b"PRIVATE KEY-----" in content:
        raise InputError(
            asked,
            "it is a private key, which only the signer has",
            "Give the public one: `openssl ec -in private.pem -pubout -out public.pem`",
        )
    try:
        key = load_pem_public_key(content)
    except Exception as error:  # as above
        raise InputError(asked, f"it is no public key in PEM ({_first_line(error)})", _MAKE_A_KEY) from None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise _wrong_kind(asked, key)
    return key


def _key_content(path: Path, kind: str) -> bytes:
    asked, remedy = f"the {kind} key {path}", f"Give the file of a {kind} key in PEM"
    try:
        return read_regular_file(path, _KEY_LIMIT)
    except UnusableFileError as error:
        raise InputError(asked, f"it {error}", remedy) from None
    except OSError as error:
        raise InputError(asked, f"it can't be read ({error.strerror})", remedy) from None


def _wrong_kind(asked: str, key: object) -> InputError:
    curve = getattr(getattr(key, "curve", None), "name", None)
    kind = (
        f"a key of the curve {curve}" if curve else f"a key of another kind ({type(key).__name__.strip('_')})"
    )
    return InputError(asked, f"it is {kind}, and signatures are by {', '.join(_CURVES)}", _MAKE_A_KEY)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:100].rstrip(".")
