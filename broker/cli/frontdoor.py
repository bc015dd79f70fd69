"""What a person hands out so that a client finds and recognises the SSH front door."""

from broker.admin.wire import Caller
from broker.cli import speech

__all__ = ["show_door"]


def show_door(call: Caller) -> None:
    """Say how to connect, and by which line of known_hosts the broker is recognised."""
    door = call("ssh_door")
    if door is None:
        speech.note("the SSH front door is closed; to open it set ssh.listen, and restart the broker")
        return
    speech.note(f"with its SSH key: ssh -p {door['port']} {door['host']} token")
    speech.note(f"the host key is {door['fingerprint']}; its line for ~/.ssh/known_hosts:")
    speech.note(door["known_hosts"])
