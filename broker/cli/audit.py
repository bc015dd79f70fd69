"""``codex-broker audit …``: what was done here, and whether the telling is whole."""

from typing import Annotated, Any

import typer

from broker.cli import speech
from broker.cli.options import ConfigOption, HomeOption, JsonOption
from broker.cli.place import Place
from fetchtoken.domain.errors import Unsafe

__all__ = ["audit"]

COLUMNS = {
    "at": "AT",
    "action": "ACTION",
    "account": "ACCOUNT",
    "client": "CLIENT",
    "peer": "PEER",
    "outcome": "OUTCOME",
    "detail": "DETAIL",
}
CHAINS = {
    "chain": "CHAIN",
    "records": "RECORDS",
    "begun_at": "BEGUN",
    "last_at": "LAST",
    "reason": "REASON",
    "end_checked": "END CHECKED",
}
FINDINGS = {"chain": "CHAIN", "seq": "RECORD", "kind": "KIND", "detail": "DETAIL"}

audit = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What was done here, by whom and when.")


@audit.command("list")
def list_(  # noqa: PLR0913 - its options
    *,
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="Of this one only.")] = "",
    client: Annotated[str, typer.Option(metavar="CLIENT", help="Of this one only.")] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From then on: 24h, 7d, 2026-11-20, or RFC 3339.")
    ] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The newest so many.")] = 100,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was done, oldest first."""
    from broker.cli.durations import parse_since

    wanted = {"account": account, "client": client, "limit": limit, **(parse_since(since) if since else {})}
    records = Place(home, config).call("audit_list", **wanted)
    if as_json:
        speech.value(records)
    else:
        speech.table([{key: speech.printable(text) for key, text in one.items()} for one in records], COLUMNS)
    if not records:
        speech.note("there are no such records")
    elif len(records) == limit:
        speech.note(f"these are the newest {limit}; --limit N lists more, codex-broker audit export has all")


@audit.command()
def verify(*, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check that no record was changed, moved, inserted or removed. Exit code 8 where one was."""
    from broker.cli.auditing import check_trail

    with Place(home, config).session() as call:
        report = check_trail(call)
    if as_json:
        speech.value(report)
    else:
        speech.table(report["chains"], CHAINS)
        speech.table(report["findings"], FINDINGS)
    _tell(report)


@audit.command()
def export(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-", help="A new file, made 0600; else standard output.", show_default=False
        ),
    ] = "-",
    *,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Write every record as a line of JSON, with chain, number and mac."""
    from broker.cli.auditing import export_trail

    with Place(home, config).session() as call:
        count = export_trail(call, file)
    if file != "-":
        speech.data(f"{count} records in {file}")


def _tell(report: dict[str, Any]) -> None:
    """Say what it comes to.

    Raises:
        Unsafe: the trail is not whole.
    """
    for chain in report["chains"]:
        if chain["reason"] == "restored" and chain["lost"] is not None:
            speech.note(
                f"chain {chain['chain']} began with a restore: what was recorded after that backup is gone"
            )
    if report["ok"]:
        speech.note(f"the trail is whole: {report['records']} records")
        return
    first = report["findings"][0]
    more = f"; {report['found'] - 1} more found" if report["found"] > 1 else ""
    where = f"record {first['seq']} of chain {first['chain'] or '(none)'}"
    raise Unsafe(
        f"the audit trail is not whole: {where}: {first['kind']}: {first['detail']}{more}",
        hint="keep a copy of the home as it is, then find out who could write to it",
        code="audit",
    )
