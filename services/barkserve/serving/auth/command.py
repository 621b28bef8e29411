"""`barkserve token`: makes a token, and prints the entry for --auth-tokens."""

import datetime
import json
from typing import TextIO

from barkserve.config.authentication import TokenOptions
from barkserve.errors import StartupError
from barkserve.serving.auth.entries import checked_name, checked_roles
from barkserve.serving.auth.token import hash_of, new_token


def print_token(options: TokenOptions, entry_to: TextIO, token_to: TextIO) -> None:
    """Make a token for a caller.

    Args:
        options: the caller's name and roles, and when the token expires.
        entry_to: gets the entry of the token file, such as standard output.
        token_to: gets the token, such as standard error.

    Raises:
        StartupError: the name or a role is not valid.
    """
    if not options.name:
        raise StartupError("--name is missing: give the name of the caller")
    try:
        name = checked_name(options.name)
        roles = sorted(checked_roles(part.strip() for part in options.roles.split(",")))
    except ValueError as error:
        raise StartupError(str(error)) from None
    token = new_token()
    lines = [
        "[[caller]]",
        f"name = {json.dumps(name)}",
        f'token_sha256 = "{hash_of(token)}"',
        f"roles = {json.dumps(roles)}",
    ]
    if options.valid_days:
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        expires = now + datetime.timedelta(days=options.valid_days)
        lines.append(f"expires = {expires:%Y-%m-%dT%H:%M:%SZ}")
    print("\n".join(lines), file=entry_to)
    print(
        f"The token of {name}, which is not shown again: {token}\n"
        "Add the entry to the file of --auth-tokens; running services read it within seconds.",
        file=token_to,
    )
