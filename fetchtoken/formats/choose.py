"""Copies of one login from several files: which is the newest, and which are only copies. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fetchtoken.formats.login import Login

__all__ = ["Chosen", "choose", "is_same"]


class Chosen:
    """The newest of several copies.

    Args:
        login: the one to take.
        others: the rest, newest first.
    """

    __slots__ = ("login", "others")

    def __init__(self, login: Login, others: list[Login]) -> None:
        self.login = login
        self.others = others


def is_same(one: Login, other: Login) -> bool:
    """Tell whether two logins are one user's in one workspace; one without a user id fits any."""
    if one.refresh_token and one.refresh_token == other.refresh_token:
        return True
    account = one.identity[0]
    users = {one.user_id, other.user_id} - {""}
    return bool(account) and account == other.identity[0] and len(users) <= 1


def choose(logins: Iterable[Login]) -> list[Chosen]:
    """Return one login for each user, in the order in which the users first came.

    The newest by ``iat`` (else by the last exchange) wins; of two equally old ones that with a refresh
    token, and then the first.
    """
    groups: list[list[Login]] = []
    for login in logins:
        group = next((group for group in groups if _belongs(login, group)), None)
        if group is None:
            groups.append([login])
        else:
            group.append(login)
    ordered = [sorted(group, key=lambda login: (-login.age_key, not login.refresh_token)) for group in groups]
    return [Chosen(first, others) for first, *others in ordered]


def _belongs(login: Login, group: list[Login]) -> bool:
    """Tell whether a login is one user's with all of a group: one that names no user may fit two members."""
    if login.refresh_token and any(login.refresh_token == other.refresh_token for other in group):
        return True
    return all(is_same(other, login) for other in group)
