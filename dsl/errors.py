"""Errors of the language. Mistakes of an author are diagnostics, not exceptions, until
somebody asks for a program that the mistakes make impossible."""

from collections.abc import Sequence

from dsl.diagnostics import Diagnostic, render_plain


class DslError(Exception):
    """Root of every error the language raises on purpose."""


class CompilationFailedError(DslError):
    """There is no program, because the charters have errors; `diagnostics` says which."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(render_plain(diagnostics))
        self.diagnostics = tuple(diagnostics)


class CoreFormatError(DslError):
    """The JSON is not that of a core program."""
