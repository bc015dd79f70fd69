"""Real stores on real files."""

import sqlite3
from contextlib import closing

import pytest
import pytest_asyncio

from broker.store.store import Store
from tests.support.devices import Template
from tests.support.records import NOW, new_seal, store_url


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A store with accounts, to be copied."""
    return Template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def seal():
    return new_seal()


@pytest.fixture
def url(tmp_path):
    return store_url(tmp_path)


@pytest_asyncio.fixture
async def store(url, seal):
    opened = await Store.open(url, seal, now=lambda: NOW)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def other(store, url, seal):  # noqa: ARG001 - the store makes the file
    """A second store on the same file, as another process would have it."""
    opened = await Store.open(url, seal, now=lambda: NOW)
    yield opened
    await opened.close()


@pytest.fixture
def sql(store, tmp_path):  # noqa: ARG001 - the store makes the file
    """Runs a statement past the store and returns its rows."""

    def run(statement, *values):
        with closing(sqlite3.connect(tmp_path / "broker.db", isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    return run
