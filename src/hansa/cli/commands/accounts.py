"""`hansa account`: keys of people and systems, each under a password (keystore v3)."""

from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.options import Folder, PasswordFile, screen_of

KeyName = Annotated[str, typer.Argument(help="How the account is called: --as NAME.")]
Org = Annotated[str | None, typer.Option("--org", help="Keep it with this organisation's users.", show_default=False)]


def new(
    context: typer.Context, name: KeyName, folder: Folder = None, org: Org = None, password_file: PasswordFile = None
) -> None:
    """Make a fresh key, kept under a password."""
    from hansa.crypto.suite import generate_key_pair

    _store(context, generate_key_pair().secret, _target(name, folder, org), password_file)


def import_(
    context: typer.Context,
    name: KeyName,
    source: Annotated[
        Path | None, typer.Option("--from", help="A keystore file, or a file with a key in hex.", show_default=False)
    ] = None,
    mnemonic: Annotated[bool, typer.Option("--mnemonic", help="Ask for a mnemonic instead.")] = False,
    index: Annotated[int, typer.Option("--index", help="Which account of the mnemonic.")] = 0,
    folder: Folder = None,
    org: Org = None,
    password_file: PasswordFile = None,
) -> None:
    """Take over a key from another wallet.

    Secrets are asked without being shown, or read from a file; never given on the command line.
    """
    from hansa.cli.errors import Usage

    screen = screen_of(context)
    if mnemonic == (source is not None):
        raise Usage(
            "give either --from FILE or --mnemonic", "a key on the command line would stay in the shell's history"
        )
    if source is not None:
        secret = _secret_from(source.read_bytes() if source.is_file() else None, str(source), context)
    else:
        import getpass

        from hansa.crypto.derivation import derive_key_pairs

        screen.check_can_ask("the mnemonic")
        secret = derive_key_pairs(getpass.getpass("mnemonic: "), 1, index)[0].secret
    _store(context, secret, _target(name, folder, org), password_file)


def list_(context: typer.Context, folder: Folder = None) -> None:
    """List the alliance's users and your own keys."""
    from hansa.cli.keys import address_in, keystores
    from hansa.cli.network import choose_folder
    from hansa.cli.screen import table
    from hansa.crypto.suite import to_checksum_address

    entries = []
    for name, path in keystores(choose_folder(folder)).items():
        address = address_in(path)
        printed = to_checksum_address(address) if address else "(no keystore)"
        entries.append({"name": name, "address": printed, "file": str(path)})
    rows = [["name", "address", "file"]] + [[entry["name"], entry["address"], entry["file"]] for entry in entries]
    screen_of(context).data(entries, table(rows) if entries else "no account yet: hansa account new NAME")


def _target(name: str, folder: Path | None, org: str | None) -> Path:
    import re

    from hansa.alliance.founding import load_alliance
    from hansa.cli.errors import Usage
    from hansa.cli.keys import own_keys_folder
    from hansa.cli.network import choose_folder

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise Usage(f"{name!r} is no name for an account", "letters, digits, dot, dash")
    if org is None:
        return own_keys_folder() / f"{name}.json"
    where = choose_folder(folder)
    load_alliance(where).organisation(org)
    return where.users(org) / f"{name}.json"


def _secret_from(data: bytes | None, file: str, context: typer.Context) -> bytes:
    from hansa.cli.errors import NoSuchKey
    from hansa.cli.keys import read_password
    from hansa.crypto.errors import InvalidKey
    from hansa.crypto.keystore import decrypt_key

    if data is None:
        raise NoSuchKey(f"{file} does not exist", "name a keystore file, or a file with a key in hex")
    if data.lstrip().startswith(b"{"):
        return decrypt_key(data, read_password(None, screen_of(context), f"password of {file}")).secret
    try:
        return bytes.fromhex(data.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        raise InvalidKey(f"{file} is neither a keystore nor a key in hex") from None


def _store(context: typer.Context, secret: bytes, path: Path, password_file: Path | None) -> None:
    from hansa.alliance.errors import FolderTaken
    from hansa.alliance.files import write_private
    from hansa.cli.keys import read_password
    from hansa.crypto.keystore import encrypt_key
    from hansa.crypto.suite import key_pair, to_checksum_address

    screen = screen_of(context)
    if path.exists():
        raise FolderTaken(f"{path} exists already", "choose another name: keys are never replaced")
    address = to_checksum_address(key_pair(secret).address)
    password = read_password(password_file, screen, "new password", confirm=True)
    if not password:
        from hansa.cli.errors import Usage

        raise Usage("an empty password protects nothing", "choose a password")
    write_private(path, encrypt_key(secret, password))
    screen.say(f"  {address} is kept in {path}; nobody can restore a lost password")
    screen.data({"address": address, "file": str(path)}, address)
