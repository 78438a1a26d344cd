"""Finding texts by their words, in any language.

A word is what stands between white space and punctuation, in any case, and not its stem. Where a script puts no spaces
between words, each character counts as one, and a search finds those that follow one another as they do in it.

PostgreSQL keeps an index of the words (the migration 0005_search). SQLite has none that knows all scripts: there,
a bounded number of texts is read.

Ids grow with time, so the newest rows that have a word are found without a look at all that have it: their ids are cut
into blocks, the index knows which row is in which, and one block is searched after another, the newest first. They are
small at first, so that a common word is found in an instant, and then larger, so that they soon come to an end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.db.models import BooleanField, Func, QuerySet, Value
from django.db.models.functions import Left

# Of a longer text, no more is searched: its words would not fit into what PostgreSQL takes for one text.
SEARCHED_LENGTH = 50_000

# How long a text may be whose words are looked for: each is looked up by itself.
SEARCH_MAX_LENGTH = 200

# How many of everybody's texts are read, at most, to see whether words follow one another: the newest that have them.
FOLLOWING_LIMIT = 5_000
# And of how many characters together, about.
FOLLOWING_LENGTH = 20_000_000
# How many are in memory at once.
_TEXTS_AT_ONCE = 100

# How many ids a block has, as powers of two: of the sizes that the migration has.
_BLOCK_BITS = (14, 18, 22)
# How many rows are taken from blocks before fewer or smaller ones are searched instead.
_BLOCK_LIMIT = 300

# Characters that are words, of Thai, Lao, Burmese, Khmer, Japanese, Chinese and Korean; and those that end one. Spaces
# do, too. As the migration has them.
_WORDS = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    r"\uf900-\ufaff\U00020000-\U0003ffff"
)
_ENDS = (
    r"\u0001-\u001f!-/:-@\[-`{-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb-\u00bf\u2000-\u2bff\u3000-\u3004"
    r"\u3008-\u3020\ufe30-\ufe4f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\U0001f000-\U0001faff"
)
_APART = re.compile(f"([{_WORDS}])|[{_ENDS}]")
_IS_WORD = re.compile(f"[{_WORDS}]")


def words_of(text: str) -> list[str]:
    """What is looked for, one by one, in the case in which it was written: what it equals, the database and `finder`
    know, each by a rule of its own. Several words that are written as one, as in `e-mail`, stay together: they are
    found where they follow one another. Empty for a text without words.

    Raises ValidationError for a text of more than SEARCH_MAX_LENGTH characters, not counting white space around it.
    """
    if len(text.strip()) > SEARCH_MAX_LENGTH:
        fault = f"Search for at most {SEARCH_MAX_LENGTH} characters."
        raise ValidationError({"search": ValidationError(fault, "max_length")})
    return [spaced for word in text.split() if (spaced := _spaced(word))]


def finder(words: list[str]) -> Callable[[str], bool]:
    """Tells whether a text has all the words."""
    patterns = [_pattern(word.casefold().split()) for word in words]

    def has_all(text: str) -> bool:
        searched = text[:SEARCHED_LENGTH].casefold()
        return all(pattern.search(searched) for pattern in patterns)

    return has_all


def _pattern(parts: list[str]) -> re.Pattern[str]:
    """The parts, whole, one after the other."""
    pattern = ""
    for position, part in enumerate(parts):
        if position:
            is_apart = _IS_WORD.fullmatch(part) or _IS_WORD.fullmatch(parts[position - 1])
            pattern += rf"[\s{_ENDS}]{'*' if is_apart else '+'}"
        pattern += re.escape(part)
    neither = rf"[^\s{_ENDS}{_WORDS}]"
    before = "" if _IS_WORD.fullmatch(parts[0]) else f"(?<!{neither})"
    after = "" if _IS_WORD.fullmatch(parts[-1]) else f"(?!{neither})"
    return re.compile(before + pattern + after)


def _spaced(text: str) -> str:
    return " ".join(_APART.sub(r" \1 ", text).split())


class SearchableWords(Func):
    """The words of a text in PostgreSQL, whose it is, and its blocks: of a text, a person's id and the row's id."""

    function = "searchable_words"
    output_field = SearchVectorField()


class HasWords(Func):
    """Whether SearchableWords match a query: two expressions. The index is for this."""

    template = "(%(expressions)s)"
    arg_joiner = " @@ "
    output_field = BooleanField()


def query_for(words: list[str]) -> Any:
    """What SearchableWords must match to have all the words."""
    # One text for all: an expression for each would be nested in the one before, and be copied with it. In quotes, what
    # PostgreSQL takes for several words must follow one another; no word has a quote or a backslash in it.
    quoted = " & ".join(f"'{word}'" for word in dict.fromkeys(words))
    return SearchQuery(quoted, config="simple", search_type="raw")


def query_for_owner(user_id: str) -> Any:
    """What SearchableWords must match to be this person's."""
    # Their id is kept among the words, after a space, which no word has. So the index finds what is theirs and has the
    # words, however many others' have them.
    quoted = user_id.replace("\\", "\\\\").replace("'", "''")
    return Func(Value(f"' {quoted}'"), template="%(expressions)s::tsquery")


class Block(NamedTuple):
    """The ids from `number` << `bits` on that have this number in common."""

    bits: int
    number: int

    def parts(self) -> list[Block]:
        """The smaller blocks that it is made of, the newest first; none for one of the smallest."""
        size = _BLOCK_BITS.index(self.bits)
        if size == 0:
            return []
        bits = _BLOCK_BITS[size - 1]
        numbers = range(self.number << self.bits - bits, self.number + 1 << self.bits - bits)
        return [Block(bits, number) for number in reversed(numbers)]


def query_for_blocks(blocks: Sequence[Block]) -> Any:
    """What SearchableWords must match to be of one of these blocks."""
    # Neither words, which have no space, nor a person's id, before which there is one.
    either = " | ".join(f"'{block.bits} {block.number}'" for block in blocks)
    return Func(Value(either), template="%(expressions)s::tsquery")


def blocks_down_from(newest: int, sizes: Sequence[int] = _BLOCK_BITS) -> Iterator[Block]:
    """Blocks of these sizes that have each id from `newest` to the first one once: larger and larger ones."""
    end = newest + 1
    for bits, larger in zip(sizes, [*sizes[1:], 63], strict=True):
        number = -(-end >> bits)
        while number:
            number -= 1
            yield Block(bits, number)
            if (number << bits) % (1 << larger) == 0:
                break
        end = number << bits


def newest_having(
    rows: QuerySet[Any], field: str, words: list[str], *, of: str, limit: int, user_id: str | None = None
) -> set[Any]:
    """For rows whose `field` has the words, from the one with the largest id down, the first `limit` different values
    of `of`. PostgreSQL alone can find them.

    user_id: whose the rows are, if they are one person's. Where some of the words are several that must follow one
    another, the newest FOLLOWING_LIMIT rows that have all of them are looked at, or fewer long ones.
    """
    values: set[Any] = set()
    with transaction.atomic(using=rows.db), connections[rows.db].cursor() as cursor:
        # Each statement is quick. PostgreSQL would take some for slow ones, and prepare for those, which takes longer.
        cursor.execute("SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0")
        for value in _all_having(rows, field, words, of, user_id):
            values.add(value)
            if len(values) == limit:
                break
    return values


def _all_having(rows: QuerySet[Any], field: str, words: list[str], of: str, user_id: str | None) -> Iterator[Any]:
    """As newest_having, all of them, some several times. The database is asked for more as more is taken."""
    apart = [part for word in words for part in word.split()]
    kept = SearchableWords(field, "user_id", "pk")
    having_all = rows.filter(HasWords(kept, query_for(apart))).order_by()
    if user_id is not None:
        having_all = having_all.filter(HasWords(kept, query_for_owner(user_id)))
    # Of everybody's: a person's own may be long ago, with all others' to pass on the way.
    everybodys = rows.model._default_manager.using(rows.db)
    newest: int = everybodys.order_by("-pk").values_list("pk", flat=True).first() or 0
    # One person has few rows in a small block.
    blocks = blocks_down_from(newest, _BLOCK_BITS if user_id is None else _BLOCK_BITS[1:])
    if apart == words:
        for _, value in _newest_first(having_all.values_list("pk", of), kept, blocks):
            yield value
        return
    # The index knows no order of words, and PostgreSQL would take each text apart again to see it.
    has_words, read = finder(words), 0
    candidates = islice(_newest_first(having_all.values_list("pk", of), kept, blocks), FOLLOWING_LIMIT)
    while read < FOLLOWING_LENGTH and (some := dict(islice(candidates, _TEXTS_AT_ONCE))):
        texts = dict(everybodys.filter(pk__in=some).values_list("pk", Left(field, SEARCHED_LENGTH)))
        read += sum(map(len, texts.values()))
        for pk, value in some.items():
            if has_words(texts.get(pk, "")):
                yield value


def _newest_first(rows: QuerySet[Any], kept: SearchableWords, blocks: Iterator[Block]) -> Iterator[Any]:
    """The rows by the first of their values, their id, from the largest down: of one block, of the next two, of the
    next four, and so on, and where these have too many, of fewer."""
    for group in _groups(blocks):
        waiting = [group]
        while waiting:
            asked = waiting.pop()
            fewer = _halves(asked)
            found = _some(rows.filter(HasWords(kept, query_for_blocks(asked))), _BLOCK_LIMIT + 1 if fewer else None)
            if fewer and len(found) > _BLOCK_LIMIT:
                waiting += reversed(fewer)
            else:
                yield from sorted(found, key=itemgetter(0), reverse=True)


def _groups(blocks: Iterator[Block]) -> Iterator[list[Block]]:
    """One block, then two, then four, and so on, of each size."""
    for _, equal in groupby(blocks, key=attrgetter("bits")):
        length = 1
        while group := list(islice(equal, length)):
            yield group
            length *= 2


def _halves(blocks: list[Block]) -> list[list[Block]]:
    """The same ids in two, the newer first; nothing for one of the smallest blocks."""
    if len(blocks) == 1:
        blocks = blocks[0].parts()
    middle = len(blocks) // 2
    return [blocks[:middle], blocks[middle:]] if blocks else []


def _some(rows: QuerySet[Any], limit: int | None) -> list[Any]:
    """At most so many of the rows, whichever."""
    sql, params = rows.query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        # Knowing the limit, PostgreSQL might read the table from its beginning, hoping for matches soon.
        cursor.execute(f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found LIMIT %s", [*params, limit])  # noqa: S608
        found: list[Any] = cursor.fetchall()
    return found
