"""Rows as Parquet, written by DuckDB: the extra `parquet`. Nothing of it is loaded elsewhere.

Rows go to DuckDB through a pipe, so that neither memory nor disk holds them twice.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.keeping.errors import ExportError
from gateway.keeping.export import write_lines
from gateway.keeping.rows import Row

_MAX_ROW = 16 * 1024 * 1024
# DuckDB would fetch extensions over the network; what is needed here is built in.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "1GB",
    "threads": "2",
}


class _Rows(threading.Thread):
    """Writes rows into a pipe, and keeps why it could not."""

    def __init__(self, rows: Iterable[Row], handle: int) -> None:
        super().__init__(name="rows", daemon=True)
        self.count = 0
        self.failed: BaseException | None = None
        self._rows = rows
        self._handle = handle

    def run(self) -> None:
        try:
            with os.fdopen(self._handle, "wb") as file:
                self.count = write_lines(self._rows, file)
        except BaseException as error:  # it is raised where the pipe is read
            self.failed = error


def write_parquet(rows: Iterable[Row], path: Path, columns: Mapping[str, str]) -> int:
    """Write rows as one Parquet file; how many there were.

    Raises:
        ExportError: The extra is not installed, or DuckDB refuses a row.
    """
    try:
        import duckdb
    except ImportError as error:
        raise ExportError("Parquet needs DuckDB: pip install 'charter-gateway[parquet]'") from error
    reads, writes = os.pipe()
    thread = _Rows(rows, writes)
    connection = duckdb.connect(config=_CONFIG)
    try:
        thread.start()
        types = ", ".join(f"\"{name}\": '{kind}'" for name, kind in columns.items())
        connection.execute(
            f"COPY (SELECT * FROM read_json('/dev/fd/{reads}', format = 'newline_delimited', "  # noqa: S608
            f"columns = {{{types}}}, maximum_object_size = {_MAX_ROW})) "
            f"TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet, COMPRESSION zstd)"
        )
    except duckdb.Error as error:
        raise thread.failed or ExportError(f"DuckDB cannot write {path.name}: {error}") from error
    finally:
        # Whoever still writes learns that nobody reads.
        os.close(reads)
        thread.join()
        connection.close()
    if thread.failed is not None:
        raise thread.failed
    return thread.count
