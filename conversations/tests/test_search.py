"""Search finds the same on both databases, whoever's and however many there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import conversations.models
import conversations.search
from conversations import services
from conversations.models import CONTENT_MAX_LENGTH, SEARCH_WINDOW, Conversation, Message
from conversations.search import SEARCH_MAX_LENGTH, SEARCHED_LENGTH, Block, blocks_down_from
from conversations.tests.factories import ConversationFactory, MessageFactory
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


class TestWords:
    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("Buy oat milk", "milk"),
            ("Buy oat milk", "MILK buy"),
            ("Buy oat milk", "  oat\tBuy\n"),
            ("buy milk, please.", "milk"),
            ("(milk)", "milk"),
            ("**milk**\r\n`bread`", "bread milk"),
            ("milk", "milk!"),
            ("e-mail me", "e-mail"),
            ("e-mail me", "mail"),
            ("ann@example.com", "ann@example.com"),
            ("ann@example.com", "example"),
            ("https://example.com/a/path?q=word#top", "word path"),
            ("/etc/passwd", "passwd"),
            ("todoproj.users.models", "users"),
            ("def add_task(*, title):", "add_task"),
            ("def add_task(*, title):", "task title"),
            ("3.14 and 1,000", "3.14 1,000"),
            ("-5", "5"),
            ("don't", "don't"),
            ("“milk”—said", "milk said"),
            ("Größe", "GRÖßE"),
            ("ÉTÉ", "été"),
            ("Купи МОЛОКО", "молоко"),
            ("ΓΆΛΑ", "γάλα"),
            ("ΟΔΟΣ ΑΘΗΝΑΣ", "ΟΔΟΣ"),
            ("ΟΔΟΣ ΑΘΗΝΑΣ", "ΑΘΗΝΑΣ οδοσ"),
            ("Στους δρόμους", "δρόμους"),
            ("İstanbul da", "İstanbul"),
            ("दूध खरीदो", "दूध"),
            ("اشتر الحليب", "الحليب"),
            ("קנה חלב", "חלב"),
            ("mua sữa", "sữa"),
            ("我想买牛奶。", "牛奶"),
            ("牛乳を買って", "牛乳"),
            ("ミルクを買う", "ミルク"),
            ("서울에서 우유를", "우유"),
            ("ซื้อนมให้หน่อย", "นม"),
            ("𠮷野家", "𠮷野"),
            ("buy牛奶now", "牛奶"),
            ("<b>milk</b>", "milk"),
            ("x" * SEARCH_MAX_LENGTH, "x" * SEARCH_MAX_LENGTH),
            ("it's o'clock \\ ' & | ! :*", "o'clock"),
        ],
    )
    def test_are_found(self, content: str, text: str) -> None:
        said, titled = MessageFactory.create(content=content), ConversationFactory.create(title=content[:200])
        assert list(Message.objects.search(text)) == [said]
        found = {said.conversation.pk, *([titled.pk] if len(content) <= 200 else [])}
        assert set(Conversation.objects.search(text).values_list("pk", flat=True)) == found

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("Buy oat milk", "milkshake"),
            ("milkshake", "milk"),
            ("Buy oat milk", "buy wine"),
            ("mail, e", "e-mail"),
            ("我想买牛肉和奶酪", "牛奶"),
            ("uneasy", "easy"),
            ("buying", "buy"),
            ("anything", ""),
            ("anything", "!!! -- ' &"),
            ("anything & |", "|"),
        ],
    )
    def test_are_not_found(self, content: str, text: str) -> None:
        MessageFactory.create(content=content, conversation__title=content)
        assert list(Message.objects.search(text)) == []
        assert list(Conversation.objects.search(text)) == []

    def test_may_not_be_spread_over_messages(self) -> None:
        conversation = MessageFactory.create(content="milk", conversation__title="oat").conversation
        MessageFactory.create(conversation=conversation, content="bread")
        assert list(Conversation.objects.search("milk")) == [conversation]
        assert list(Conversation.objects.search("milk bread")) == []
        assert list(Conversation.objects.search("milk oat")) == []

    def test_of_a_long_text_are_found_at_its_beginning(self) -> None:
        message = MessageFactory.create(
            content=("milk " + "x " * CONTENT_MAX_LENGTH)[: CONTENT_MAX_LENGTH - 5] + "bread"
        )
        assert len(message.content) == CONTENT_MAX_LENGTH > SEARCHED_LENGTH
        assert list(Message.objects.search("milk")) == [message]
        assert list(Message.objects.search("bread")) == []

    @pytest.mark.parametrize(
        "content",
        [
            "".join(chr(0x20000 + n % 42_000) for n in range(CONTENT_MAX_LENGTH)),
            " ".join(chr(0x20000 + n) + chr(0x10000 + n % 50) for n in range(33_000)),
            " ".join(f"{n:x}" for n in range(20_000)),
            "/".join(f"{n}.{n}-{n}@{n}" for n in range(5_000)),
            "\U00010400" * CONTENT_MAX_LENGTH,
            "\x01" * CONTENT_MAX_LENGTH,
        ],
        ids=["distinct characters", "distinct words", "numbers", "addresses", "one word", "no word"],
    )
    def test_of_any_text_can_be_kept(self, content: str) -> None:
        MessageFactory.create(content=content, conversation__user=UserFactory.create(id="\U00010400" * 255))
        assert Message.objects.filter(content=content).exists()


class TestManyWords:
    @pytest.mark.parametrize(
        "words",
        [["牛"] * SEARCH_MAX_LENGTH, [chr(0x4E00 + n) for n in range(SEARCH_MAX_LENGTH)]],
        ids=["one character", "characters"],
    )
    def test_of_one_piece_must_follow_one_another(self, words: list[str]) -> None:
        text = "".join(words)
        said = MessageFactory.create(content=f"我{text}。")
        MessageFactory.create(content=f"{text[:100]} x {text[101:]}")
        assert list(Message.objects.search(text)) == [said]
        assert list(Conversation.objects.search(text)) == [said.conversation]

    def test_are_looked_for_in_any_order(self) -> None:
        words = [f"w{n:02}" for n in range(SEARCH_MAX_LENGTH // 4)]
        said = MessageFactory.create(content=" ".join(reversed(words)))
        MessageFactory.create(content=" ".join(words[1:]))
        assert list(Message.objects.search(" ".join(words))) == [said]
        assert list(Conversation.objects.search(" ".join(words))) == [said.conversation]

    def test_are_one_expression(self) -> None:
        """Else each would be copied into the next one's, and take the square of the time."""
        MessageFactory.create()
        with CaptureQueriesContext(connection) as searches:
            list(Message.objects.search("oat-milk 牛奶 bread"))
            list(Conversation.objects.search("oat-milk 牛奶 bread"))
        asked = [search["sql"].count("to_tsquery(") for search in searches]
        assert max(asked) == (1 if connection.vendor == "postgresql" else 0)

    def test_may_be_so_long_together(self) -> None:
        for search in [Conversation.objects.search, Message.objects.search]:
            assert not search(f"  {'x' * SEARCH_MAX_LENGTH}\n").exists()
            with pytest.raises(ValidationError) as refused:
                search("x" * (SEARCH_MAX_LENGTH + 1))
            assert refused.value.message_dict == {"search": ["Search for at most 200 characters."]}


class TestWhose:
    @pytest.fixture
    def said(self, ann: User, bob: User) -> list[Message]:
        return [MessageFactory.create(conversation__user=user, content="milk") for user in [ann, bob]]

    def test_one_persons_or_everybodys(self, said: list[Message]) -> None:
        assert list(Message.objects.search("milk", user_id="ann")) == [said[0]]
        assert list(Conversation.objects.search("milk", user_id="bob")) == [said[1].conversation]
        assert Message.objects.search("milk").count() == Conversation.objects.search("milk").count() == 2

    @pytest.mark.parametrize(
        "user_id", ["a'b", "a\\b", "' | 'ann", "a b", "ann:*", "!ann", "Ann", "энн", "x" * 255, "'"]
    )
    def test_any_id_is_taken_to_the_letter(self, said: list[Message], user_id: str) -> None:
        mine = MessageFactory.create(conversation__user=UserFactory.create(id=user_id), content="milk")
        assert list(Message.objects.search("milk", user_id=user_id)) == [mine]
        assert list(Conversation.objects.search("milk", user_id=user_id)) == [mine.conversation]
        assert list(Message.objects.search("milk", user_id="ann")) == [said[0]]

    def test_an_id_is_no_word(self, said: list[Message]) -> None:
        assert not Message.objects.search("ann").exists()
        assert not Conversation.objects.search("ann").exists()

    def test_narrows_down_what_was_narrowed_down(self, said: list[Message]) -> None:
        assert list(Conversation.objects.owned_by("ann").search("milk")) == [said[0].conversation]
        assert list(Message.objects.filter(role="assistant").search("milk")) == []


class TestBounds:
    @pytest.fixture
    def said(self, ann: User, monkeypatch: pytest.MonkeyPatch) -> list[Conversation]:
        """Three conversations of one person, the one with the newest activity first."""
        monkeypatch.setattr(conversations.models, "SEARCH_LIMIT", 2)
        now = timezone.now()
        made = [
            MessageFactory.create(
                conversation__user=ann, conversation__updated_at=now - timedelta(hours=hours), content="milk"
            ).conversation
            for hours in [2, 1, 0]
        ]
        return made[::-1]

    def test_of_everybody_those_count_where_it_was_said_last(self, said: list[Conversation]) -> None:
        MessageFactory.create(conversation=said[2], content="Milk!")
        MessageFactory.create(conversation=said[2], content="And milk.")
        assert set(Conversation.objects.search("milk")) == {said[2], said[0], *unbounded(said)}

    def test_of_everybody_those_titles_count_that_are_newest(self, said: list[Conversation]) -> None:
        titled = [ConversationFactory.create(title="oat milk") for _ in range(3)]
        assert set(Conversation.objects.search("milk")) == {*said[:2], *titled[1:], *unbounded([*said, *titled])}
        assert set(Conversation.objects.search("oat-milk")) == {*titled[1:], *unbounded(titled)}

    def test_of_one_person_it_is_the_same(self, said: list[Conversation]) -> None:
        MessageFactory.create(conversation=said[2], content="Milk!")
        MessageFactory.create_batch(3, content="Milk, said by others")
        found = Conversation.objects.search("milk", user_id="ann")
        assert set(found) == {said[2], said[0], *unbounded(said)}

    def test_only_so_many_texts_are_read_to_see_words_follow_one_another(
        self, said: list[Conversation], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversations.search, "FOLLOWING_LIMIT", 3)
        MessageFactory.create(conversation=said[0], content="e-mail")
        MessageFactory.create_batch(2, conversation=said[1], content="mail e")
        assert list(Conversation.objects.search("e-mail")) == [said[0]]
        MessageFactory.create(conversation=said[1], content="mail e")
        assert list(Conversation.objects.search("e-mail")) == unbounded([said[0]])

    def test_nor_more_characters(self, said: list[Conversation], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conversations.search, "_TEXTS_AT_ONCE", 1)
        monkeypatch.setattr(conversations.search, "FOLLOWING_LENGTH", len("e-mail") + 2 * len("mail e"))
        MessageFactory.create(conversation=said[0], content="e-mail")
        MessageFactory.create_batch(2, conversation=said[1], content="mail e")
        assert list(Conversation.objects.search("e-mail")) == [said[0]]
        MessageFactory.create(conversation=said[1], content="mail e")
        assert list(Conversation.objects.search("e-mail")) == unbounded([said[0]])

    def test_sqlite_looks_at_the_newest_messages(self, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conversations.models, "SEARCH_WINDOW", 2)
        old = MessageFactory.create(
            conversation__user=ann, content="milk", created_at=timezone.now() - timedelta(days=1)
        )
        MessageFactory.create(conversation=old.conversation)
        assert list(Message.objects.search("milk", user_id="ann")) == [old]
        MessageFactory.create(conversation=old.conversation)
        found = [] if connection.vendor == "sqlite" else [old]
        assert list(Message.objects.search("milk", user_id="ann")) == found
        assert list(Conversation.objects.search("milk")) == [message.conversation for message in found]


class TestBlocks:
    @pytest.mark.parametrize(
        "newest", [1, 16_383, 16_384, 100_000, 262_143, 262_144, 4_194_303, 4_194_304, 9_999_999, 2**33 + 12_345]
    )
    def test_have_each_id_once_from_the_newest_down(self, newest: int) -> None:
        blocks = list(blocks_down_from(newest))
        ends = [(number + 1) << bits for bits, number in blocks]
        starts = [number << bits for bits, number in blocks]
        assert starts[:-1] == ends[1:]
        assert starts[-1] == 0
        assert starts[0] <= newest < ends[0]
        assert blocks[0].bits == 14

    def test_are_few(self) -> None:
        assert len(list(blocks_down_from(10_000_000))) < 40

    def test_parts_are_the_block(self) -> None:
        parts = Block(18, 3).parts()
        assert len(parts) == 16
        assert (parts[0], parts[-1]) == (Block(14, 63), Block(14, 48))
        assert Block(14, 3).parts() == []

    @pytest.mark.parametrize("limit", range(1, 9))
    def test_that_have_too_many_are_searched_part_by_part(self, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conversations.search, "_BLOCK_LIMIT", 2)
        monkeypatch.setattr(conversations.models, "SEARCH_LIMIT", limit)
        ids = [5, 20_000, 40_000, 300_000, 300_001, 300_002, 5_000_000]
        made = [MessageFactory.create(pk=pk, content="milk").conversation for pk in ids]
        assert set(Conversation.objects.search("milk")) == {*made[-limit:], *unbounded(made)}

    def test_nothing_is_found_where_nothing_is(self) -> None:
        assert list(Conversation.objects.search("milk")) == []


class TestPlans:
    @pytest.mark.parametrize("user_id", [None, "ann"])
    def test_a_search_reads_no_table_through(self, ann: User, user_id: str | None) -> None:
        """PostgreSQL finds the words in indexes, and SQLite reads a bounded number of texts."""
        MessageFactory.create_batch(300, conversation=ConversationFactory.create(user=ann))
        ConversationFactory.create_batch(300, user=ann)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        with CaptureQueriesContext(connection) as searches:
            list(Conversation.objects.search("oat milk 牛奶", user_id=user_id))
            list(Message.objects.search("oat milk 牛奶", user_id=user_id))
        used: set[str] = set()
        for search in searches:
            if connection.vendor == "sqlite":
                assert f"LIMIT {SEARCH_WINDOW}" in search["sql"]
            elif "searchable_words" in search["sql"]:
                indexes = indexes_of_words(search["sql"])
                assert indexes, plan_of(search["sql"])
                used |= indexes
        if connection.vendor == "postgresql":
            assert used == {"idx_messages_words", "idx_conversations_words"}

    def test_an_index_serves_every_page(self, ann: User, bob: User) -> None:
        """Neither a sort nor a look at rows that are not shown, on the first page or a later one."""
        conversation = ConversationFactory.create(user=ann)
        # Many that are not shown, so that to look at them would cost more.
        ConversationFactory.create_batch(30, user=ann)
        ConversationFactory.create_batch(300, user=bob)
        MessageFactory.create_batch(30, conversation=conversation)
        MessageFactory.create_batch(300, conversation=ConversationFactory.create(user=ann))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            if connection.vendor == "postgresql":
                # So few rows would fit into one block, which is read at once.
                cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        lists: dict[str, Callable[..., Any]] = {
            "idx_conversations_user_updated": services.list_conversations,
            "idx_messages_conversation_created": partial(services.list_messages, conversation_id=conversation.pk),
        }
        for index, pages in lists.items():
            _, after = pages(user_id="ann", limit=5)
            for start in [None, after]:
                with CaptureQueriesContext(connection) as queries:
                    pages(user_id="ann", limit=5, cursor=start)
                plan = plan_of(queries[-1]["sql"])
                assert index in plan, plan
                assert "Sort" not in plan, plan
                assert "TEMP B-TREE" not in plan, plan


def unbounded(found: list[Conversation]) -> list[Conversation]:
    """What is found on SQLite, too, which bounds what is looked at, not what is found."""
    return found if connection.vendor == "sqlite" else []


def plan_of(sql: str) -> str:
    with connection.cursor() as explain:
        explain.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
        return "\n".join(str(row[-1]) for row in explain.fetchall())


def indexes_of_words(sql: str) -> set[str]:
    """The indexes that PostgreSQL could search by the words, whatever a plan is worth for the few rows of a test."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    return set(re.findall(r"Bitmap Index Scan on (\w+) .*\n\s*Index Cond: \(+searchable_words", plan_of(sql)))
