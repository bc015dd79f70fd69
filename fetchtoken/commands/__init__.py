"""What the subcommands do, without Typer: functions of settings that raise the errors of the tree."""
