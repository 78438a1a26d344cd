"""Why a caller is refused. Without Django, so that the protocol may know of it."""


class MissingScope(Exception):
    """The token does not allow this; `scope` would."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope
