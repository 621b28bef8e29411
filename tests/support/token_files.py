"""Files of --auth-tokens for tests."""

from pathlib import Path

from barkserve.serving.auth.token import hash_of

Metadata = tuple[tuple[str, str], ...]


def write_tokens(path: Path, *callers: str, **limits: str) -> str:
    """Write a file of callers and return its path.

    Args:
        path: the file.
        callers: "NAME ROLE ROLE ..."; the token of a caller is its name and "-token".
        limits: TOML lines of the caller of that name, such as bot="streams = 1".
    """
    entries = []
    for caller in callers:
        name, *roles = caller.split()
        entries.append(
            f'[[caller]]\nname = "{name}"\ntoken_sha256 = "{hash_of(f"{name}-token")}"\n'
            f"roles = {roles}\n{limits.get(name, '')}\n"
        )
    path.write_text("\n".join(entries))
    return str(path)


def bearer(name: str) -> Metadata:
    """The metadata of a call with the token of a caller in `write_tokens`."""
    return (("authorization", f"Bearer {name}-token"),)
