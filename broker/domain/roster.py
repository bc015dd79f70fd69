"""The read model of the hot path: accounts, clients and machine credentials, by name, id or key."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from broker.domain.account import State
from broker.domain.records import Account, Client, Machine, Snapshot

__all__ = ["Roster"]

_SETTLED = frozenset({State.ACTIVE, State.LOGIN_REQUIRED})


class Roster:
    """Accounts and clients as last seen in the store.

    A record older than the one held (by ``revision``) is ignored, so that a slow reader never
    undoes what a faster one brought. ``account.revision`` changes with every write to the row:
    an answer prepared for one revision holds for as long as it is current.
    """

    def __init__(self) -> None:
        self.revision = 0
        """The store's change counter up to which everything is known."""
        self._accounts: dict[int, Account] = {}
        self._by_name: dict[str, Account] = {}
        self._unsettled: set[int] = set()
        self._sealed: set[int] = set()
        self._clients: dict[int, Client] = {}
        self._clients_by_name: dict[str, Client] = {}
        self._clients_by_key: dict[str, Client] = {}
        self._clients_by_ssh_key: dict[str, Client] = {}
        self._gone_accounts: set[int] = set()
        self._gone_clients: set[int] = set()
        self._machines: dict[int, Machine] = {}
        self._machines_by_key: dict[str, Machine] = {}

    def account(self, name: str) -> Account | None:
        """Return the account of that name, or ``None``."""
        return self._by_name.get(name)

    def account_by_id(self, account: int) -> Account | None:
        """Return the account with that row id, or ``None``."""
        return self._accounts.get(account)

    def accounts(self) -> list[Account]:
        """Return all accounts by name."""
        return sorted(self._accounts.values(), key=lambda account: account.name)

    def unsettled(self) -> AbstractSet[int]:
        """Return the row ids of the accounts that are refreshing, replaying or in doubt."""
        return self._unsettled

    def sealed(self) -> AbstractSet[int]:
        """Return the row ids of the accounts whose boxes do not open."""
        return self._sealed

    def client(self, name: str) -> Client | None:
        """Return the client of that name, or ``None``."""
        return self._clients_by_name.get(name)

    def client_by_id(self, client: int) -> Client | None:
        """Return the client with that row id, or ``None``."""
        return self._clients.get(client)

    def client_by_key(self, key_id: str) -> Client | None:
        """Return the client whose API key has that id, revoked and expired ones included."""
        return self._clients_by_key.get(key_id)

    def client_by_ssh_key(self, fingerprint: str) -> Client | None:
        """Return the client that has that SSH key, revoked and expired ones included."""
        return self._clients_by_ssh_key.get(fingerprint)

    def clients(self) -> list[Client]:
        """Return all clients by name."""
        return sorted(self._clients.values(), key=lambda client: client.name)

    def machine_by_key(self, key_id: str) -> Machine | None:
        """Return the machine credential that has that id, revoked and expired ones included."""
        return self._machines_by_key.get(key_id)

    def machine(self, machine: int) -> Machine | None:
        """Return the machine credential with that row id, or ``None``."""
        return self._machines.get(machine)

    @property
    def machine_count(self) -> int:
        """How many machine credentials there are, revoked ones included."""
        return len(self._machines)

    def machines_of(self, client: int) -> list[Machine]:
        """Return a client's machine credentials, oldest first."""
        held = (machine for machine in self._machines.values() if machine.client == client)
        return sorted(held, key=lambda machine: machine.id)

    def put_account(self, account: Account) -> None:
        """Take in a new or changed account."""
        held = self._accounts.get(account.id)
        if account.id in self._gone_accounts or (held is not None and held.revision > account.revision):
            return
        if held is not None and self._by_name.get(held.name) is held:
            del self._by_name[held.name]
        self._accounts[account.id] = account
        self._by_name[account.name] = account
        (self._unsettled.discard if account.state in _SETTLED else self._unsettled.add)(account.id)
        (self._sealed.add if account.sealed else self._sealed.discard)(account.id)

    def drop_account(self, account: int) -> None:
        """Forget a removed account and its machine credentials; row ids are never used again."""
        self._gone_accounts.add(account)
        self._forget_machines(lambda machine: machine.account == account)
        self._unsettled.discard(account)
        self._sealed.discard(account)
        held = self._accounts.pop(account, None)
        if held is not None and self._by_name.get(held.name) is held:
            del self._by_name[held.name]

    def put_client(self, client: Client) -> None:
        """Take in a new or changed client."""
        held = self._clients.get(client.id)
        if client.id in self._gone_clients or (held is not None and held.revision > client.revision):
            return
        if held is not None:
            self._forget_client_keys(held)
        self._clients[client.id] = client
        self._clients_by_name[client.name] = client
        self._clients_by_key[client.key_id] = client
        self._clients_by_ssh_key |= dict.fromkeys(client.ssh_keys, client)

    def drop_client(self, client: int) -> None:
        """Forget a removed client and its machine credentials."""
        self._gone_clients.add(client)
        self._forget_machines(lambda machine: machine.client == client)
        held = self._clients.pop(client, None)
        if held is not None:
            self._forget_client_keys(held)

    def put_machine(self, machine: Machine) -> None:
        """Take in a new or revoked machine credential."""
        held = self._machines.get(machine.id)
        if machine.client in self._gone_clients or machine.account in self._gone_accounts:
            return
        if held is None or held.revision <= machine.revision:
            self._machines[machine.id] = self._machines_by_key[machine.key_id] = machine

    def keep_ended(self, client: int, most: int, now_s: float) -> None:
        """Forget a client's oldest machine credentials that have ended, but for so many, as the store."""
        ended = [
            machine
            for machine in self.machines_of(client)
            if machine.revoked_at is not None
            or (machine.expires_at is not None and machine.expires_at <= now_s)
        ]
        oldest = {machine.id for machine in ended[: max(0, len(ended) - most)]}
        self._forget_machines(lambda machine: machine.id in oldest)

    def apply(self, snapshot: Snapshot) -> None:
        """Take in what :meth:`broker.store.store.Store.snapshot` or ``changes`` returned."""
        if snapshot.whole:
            self._drop_all_but(snapshot)
        for account_id in snapshot.removed_accounts:
            self.drop_account(account_id)
        for client_id in snapshot.removed_clients:
            self.drop_client(client_id)
        for account in snapshot.accounts:
            self.put_account(account)
        for client in snapshot.clients:
            self.put_client(client)
        for machine in snapshot.machines:
            self.put_machine(machine)
        self.revision = max(self.revision, snapshot.revision)

    def _drop_all_but(self, whole: Snapshot) -> None:
        for account_id in self._accounts.keys() - {account.id for account in whole.accounts}:
            if self._accounts[account_id].revision <= whole.revision:
                self.drop_account(account_id)
        for client_id in self._clients.keys() - {client.id for client in whole.clients}:
            if self._clients[client_id].revision <= whole.revision:
                self.drop_client(client_id)

    def _forget_machines(self, is_gone: Callable[[Machine], bool]) -> None:
        for machine in [one for one in self._machines.values() if is_gone(one)]:
            del self._machines[machine.id]
            del self._machines_by_key[machine.key_id]

    def _forget_client_keys(self, held: Client) -> None:
        if self._clients_by_name.get(held.name) is held:
            del self._clients_by_name[held.name]
        if self._clients_by_key.get(held.key_id) is held:
            del self._clients_by_key[held.key_id]
        for fingerprint in held.ssh_keys:
            if self._clients_by_ssh_key.get(fingerprint) is held:
                del self._clients_by_ssh_key[fingerprint]
