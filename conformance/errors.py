"""What can go wrong in a run, told apart by who has to act on it."""


class ConformanceError(Exception):
    """Root of every error the suite raises on purpose."""


class SuiteError(ConformanceError):
    """The suite itself is broken: a case, a twin or a requirement. Nothing was asked."""


class CannotRunError(ConformanceError):
    """The run cannot start as it was told to; the message says what to change."""


class ShapeError(ConformanceError):
    """A JSON value is not what it must be. `where` is its RFC 6901 pointer."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(f"{where or 'the whole'}: {detail}")
        self.where = where
        self.detail = detail


class ExchangeError(ConformanceError):
    """A question was put and no answer can be judged."""


class NoConnectionError(ExchangeError):
    """Nobody answers at the address. It says nothing of the product."""


class ConnectionLostError(ExchangeError):
    """The line broke in the middle of an answer."""


class NoAnswerInTimeError(ExchangeError):
    """The answer was not complete when the time was up."""


class AnswerError(ExchangeError):
    """The gateway answered, and the answer is not one that the protocol allows."""
