"""A place in a conversation is given once: its row counts the sequences, compare-and-set."""

from pathlib import Path

import pytest

from gateway.audit import genesis
from gateway.domain.ids import ConversationId
from gateway.errors import StorageError
from gateway.storage import conversations
from gateway.storage.engine import Transaction
from gateway.storage.sqlite.connection import open_writing
from gateway.storage.sqlite.files import own_file
from gateway.storage.sqlite.store import prepare_file
from gateway.storage.values import micros
from tests.store_values import HOME, NOW, PARTNER


def test_of_two_that_saw_the_same_last_sequence_only_one_takes_the_next(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    own_file(path)
    prepare_file(path)
    connection = open_writing(path)
    connection.begin()
    transaction = Transaction(connection, genesis("node"))
    place = ConversationId("c")

    def known() -> conversations.Known:
        (found,) = conversations.look_up(transaction.connection, [conversations.Sought(HOME, PARTNER, (), None, place)])
        return found

    def take(seen: conversations.Known, sequence: int) -> None:
        conversations.register(transaction.connection, [(seen, sequence, micros(NOW))])

    take(known(), 1)
    both = known()
    take(both, 2)
    with pytest.raises(StorageError, match=r"storage\.constraint"):
        take(both, 2)
    assert known().last_sequence == 2
    connection.close()
