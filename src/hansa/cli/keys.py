"""Who signs: users of the alliance, keystore files, and the well-known accounts of development chains."""

import os
from pathlib import Path

from hansa.alliance.errors import NoAlliance
from hansa.alliance.founding import DEV_PASSWORD, load_alliance
from hansa.alliance.layout import AllianceFolder
from hansa.alliance.model import WELL_KNOWN_MNEMONIC
from hansa.cli.errors import NoSuchKey
from hansa.cli.network import choose_folder
from hansa.cli.screen import Screen
from hansa.cli.words import parse_address
from hansa.crypto.derivation import derive_key_pairs
from hansa.crypto.errors import InvalidKeystore, WrongPassword
from hansa.crypto.keystore import decrypt_key, keystore_address
from hansa.crypto.suite import KeyPair
from hansa.io.private_files import read_private

PASSWORD_BYTES_MAX = 4_096


def own_keys_folder() -> Path:
    """Keystores of the person, outside any alliance (XDG base directories)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "hansa" / "keys"


def keystores(folder: AllianceFolder) -> dict[str, Path]:
    """All keystores in reach by name: the alliance's users first, then the person's own."""
    found = {path.stem: path for path in sorted(own_keys_folder().glob("*.json"))}
    found |= {path.stem: path for path in sorted((folder.root / "orgs").glob("*/users/*.json"))}
    return found


def resolve_key(name: str | None, given: Path | None, password_file: Path | None, screen: Screen) -> KeyPair:
    """The key that is to sign.

    Parameters
    ----------
    name: a user's or keystore's name, a keystore file, or `dev:N`; None = the first user of a development alliance.

    Raises
    ------
    NoSuchKey: there is none of that name.
    NeedsAnswer, WrongPassword, InvalidKeystore: it cannot be opened.
    """
    folder = choose_folder(given)
    is_dev = _is_dev(folder)
    if name is None:
        name = _default_name(folder, is_dev)
    if name.startswith("dev:") and name[4:].isdigit():
        return derive_key_pairs(WELL_KNOWN_MNEMONIC, 1, int(name[4:]))[0]
    known = keystores(folder)
    path = known.get(name) or Path(name)
    if not path.is_file():
        names = ", ".join(known) or "none; make one with hansa account new NAME"
        raise NoSuchKey(f"there is no account {name!r} here", f"accounts: {names}")
    data = read_private(path)
    if is_dev and password_file is None and path.is_relative_to(folder.root):
        try:
            return decrypt_key(data, DEV_PASSWORD)
        except WrongPassword:
            pass  # a user that somebody added with a password of their own
    return decrypt_key(data, read_password(password_file, screen, f"password of {name}"))


def resolve_address(name: str, given: Path | None) -> bytes:
    """The address (20 bytes) of an account in reach, or the one that was typed.

    Raises
    ------
    Usage: it is neither an account's name nor an address.
    """
    path = keystores(choose_folder(given)).get(name)
    known = address_in(path) if path else None
    return known if known is not None else parse_address(name)


def _is_dev(folder: AllianceFolder) -> bool:
    try:
        return load_alliance(folder).dev
    except NoAlliance:
        return False


def _default_name(folder: AllianceFolder, is_dev: bool) -> str:
    if not folder.description.exists():
        return "dev:0"
    if is_dev:
        users = [user for organisation in load_alliance(folder).organisations for user in organisation.users]
        if users:
            return users[0]
    raise NoSuchKey("nobody was named to sign", "say who: --as NAME (hansa account list shows all)")


def read_password(file: Path | None, screen: Screen, what: str, confirm: bool = False) -> str:
    """A password from a file, or asked without showing it.

    Raises
    ------
    NeedsAnswer: no file was given and nobody can answer.
    NoSuchKey: the file does not exist.
    WrongPassword: the two answers differ.
    """
    if file is not None:
        try:
            text = file.read_bytes()[:PASSWORD_BYTES_MAX].decode()
        except OSError as error:
            raise NoSuchKey(f"the password file {file} cannot be read: {error.strerror}") from None
        return text.splitlines()[0] if text else ""
    screen.check_can_ask(f"{what} (or use --password-file)")
    import getpass

    password = getpass.getpass(f"{what}: ")
    if confirm and getpass.getpass("once more: ") != password:
        raise WrongPassword("the two passwords differ", "nothing was written: try again")
    return password


def address_in(path: Path) -> bytes | None:
    """The address that a keystore names; None for a file that is none."""
    try:
        return keystore_address(path.read_bytes())
    except (OSError, InvalidKeystore):
        return None
