"""Conversations are found by the words in them, and listed by who spoke last; tables are locked for none of it.

The function reads a text as conversations/search.py does, and adds whose row it is and the blocks of ids that it is in, so
that the index looks for words among one person's, or in one block at a time. It is made of no other function of ours, and costs as much as
it says: so it works wherever a dump is restored, and PostgreSQL knows when not to read texts one by one.
"""

from django.db import migrations

import todoproj.indexes
from todoproj.operations import (
    AddIndexConcurrently,
    AddPostgreSQLIndexConcurrently,
    RunPostgreSQL,
    ValidateConstraint,
)

SEARCHABLE_WORDS = r"""CREATE OR REPLACE FUNCTION searchable_words(content text, owner text, id bigint) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 5000 AS $$
BEGIN
    RETURN to_tsvector('pg_catalog.simple', regexp_replace(left(content, 50000),
        '([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af'
        '\uf900-\ufaff\U00020000-\U0003ffff])'
        '|[\u0001-\u001f!-/:-@\[-`{-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb-\u00bf\u2000-\u2bff\u3000-\u3004'
        '\u3008-\u3020\ufe30-\ufe4f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\U0001f000-\U0001faff]',
        ' \1 ', 'g'))
        || array_to_tsvector(ARRAY[' ' || owner, '14 ' || (id >> 14), '18 ' || (id >> 18), '22 ' || (id >> 22)]);
END $$"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("conversations", "0004_fill_what_is_kept")]

    operations = [
        ValidateConstraint("conversation", "ck_conversations_last_role"),
        ValidateConstraint("conversation", "ck_conversations_message_count"),
        ValidateConstraint("message", "ck_messages_content_length"),
        AddIndexConcurrently(
            model_name="conversation",
            index=todoproj.indexes.Index(
                fields=["last_role", "-updated_at", "-id"], name="idx_conversations_role_updated"
            ),
        ),
        RunPostgreSQL(SEARCHABLE_WORDS, "DROP FUNCTION IF EXISTS searchable_words(text, text, bigint)"),
        # Each write keeps them up to date: else some would have to do it for many others, and take long.
        AddPostgreSQLIndexConcurrently(
            "idx_messages_words",
            "messages USING gin (searchable_words(content, user_id, id)) WITH (fastupdate = off)",
        ),
        AddPostgreSQLIndexConcurrently(
            "idx_conversations_words",
            "conversations USING gin (searchable_words(title, user_id, id)) WITH (fastupdate = off)",
        ),
        # How common which words are.
        RunPostgreSQL("ANALYZE messages"),
        RunPostgreSQL("ANALYZE conversations"),
    ]
