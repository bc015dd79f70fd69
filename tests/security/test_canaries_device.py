"""Canaries in a device login: its secrets stand in answers and forms, and nowhere else."""

from tests.support.approving import Approver, Asker, daemon_with_address, ticket_in
from tests.support.canary import Scanner, files_below, processes_at
from tests.support.issuer import issuer_in_thread


def test_a_device_login_leaves_no_secret_behind(tmp_path):
    """Right codes, wrong ones, a replay, and what was sent as an address: in no file, log or trail."""
    scanner, said = Scanner(), []
    with issuer_in_thread() as issuer, daemon_with_address(tmp_path, issuer.url) as daemon:
        daemon.hold(issuer.mint(), "work")
        asker, person = Asker(daemon.url), Approver(daemon.url)
        wishes = {"accounts": ["work"], "scopes": ["token"], "expires_s": 3600}
        invite = daemon.call("invite_add", name="laptop", **wishes)["code"]
        kept = asker.kept()
        said.append(person.look(kept["user_code"], invite[:-1]).text)
        said.append(person.send({"user_code": kept["user_code"], "invite": invite, "x": invite}).text)
        said.append(person.look(invite, kept["device_auth_id"], X_Request_Id=invite).text)
        ticket = ticket_in(person.look(kept["user_code"], invite))
        said.append(person.decide(ticket, machine=ticket).text)
        said.append(person.decide(ticket).text)
        told = asker.poll(kept)
        brought = asker.redeem(told)
        said.append(asker.redeem(told).body.decode())
        daemon.get(f"/codex/device?user_code={kept['user_code']}&invite={invite}")
        for name, secret in [
            ("device id", kept["device_auth_id"]),
            ("invite", invite),
            ("ticket", ticket),
            ("code", told.document["authorization_code"]),
            ("verifier", told.document["code_verifier"]),
            ("credential", brought.document["refresh_token"]),
        ]:
            scanner.add(name, secret)
        backup = daemon.admin("backup", str(tmp_path / "backup"))
        trail = daemon.admin("audit", "list", "--json")
        assert (backup.code, trail.code) == (0, 0)
        looks = [*files_below(tmp_path), *processes_at(daemon.home)]
        told_to_people = [("said", text.encode()) for text in [*said, trail.out, daemon.log, daemon.out]]
    assert scanner.among([*looks, *told_to_people, *files_below(tmp_path)]) == set()
    assert all(kept["user_code"].encode() not in data for _, data in [*looks, *told_to_people])
