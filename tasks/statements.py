"""The statements on tasks that every call waits for, for PostgreSQL and SQLite alike.

In each, `person` is the query that finds whose tasks they are (todoproj.users.principals), and no statement reaches any
other. `%s` are the parameters, in the order of the comments.
"""

from tasks.models import Status
from todoproj.users.principals import FOUND

COLUMNS = "id, title, description, completed, completed_at, created_at, updated_at"
_THEIRS = "user_id = (SELECT id FROM person)"
_RETURNING = f"RETURNING {COLUMNS}, {FOUND}"

# title, description, created_at, updated_at
ADD = f"""INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at)
SELECT id, %s, %s, false, %s, %s FROM person {_RETURNING}"""

# task_id
GET = f"SELECT {COLUMNS}, {FOUND} FROM tasks WHERE id = %s AND {_THEIRS}"

# the most rows. All that it reads is in an index.
NEWEST_IDS = f"SELECT id, {FOUND} FROM tasks WHERE {_THEIRS} ORDER BY created_at DESC, id DESC LIMIT %s"

# completed_at, the most rows. What is pending has no completed_at, as the index of those that have one knows.
COMPLETED_SINCE = f"""SELECT {COLUMNS}, {FOUND} FROM tasks WHERE {_THEIRS} AND completed_at >= %s
ORDER BY completed_at DESC, id DESC LIMIT %s"""

# completed_at, updated_at, task_id; nothing for a task that is completed already
COMPLETE = f"""UPDATE tasks SET completed = true, completed_at = %s, updated_at = %s
WHERE id = %s AND {_THEIRS} AND NOT completed {_RETURNING}"""

# task_id
DELETE = f"DELETE FROM tasks WHERE id = %s AND {_THEIRS} {_RETURNING}"

# By what is given: its value or values, updated_at, task_id
UPDATE = {
    given: f"""UPDATE tasks SET {"".join(f"{column} = %s, " for column in given)}updated_at = %s
WHERE id = %s AND {_THEIRS} {_RETURNING}"""
    for given in [("title",), ("description",), ("title", "description")]
}

_WITH_STATUS = {Status.ALL: "", Status.PENDING: "AND completed = false", Status.COMPLETED: "AND completed = true"}
_AFTER = {False: "", True: "AND (created_at, id) < (%s, %s)"}

# By status and whether it starts after a position: the position's time and id, if so; the most rows
PAGE = {
    (
        status.value,
        after,
    ): f"""SELECT {COLUMNS}, {FOUND} FROM tasks WHERE {_THEIRS} {_WITH_STATUS[status]} {_AFTER[after]}
ORDER BY created_at DESC, id DESC LIMIT %s"""
    for status in Status
    for after in [False, True]
}
