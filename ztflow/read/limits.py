"""Every bound of the reader, each with its reason. What exceeds a bound is counted, and nothing else is lost."""

from __future__ import annotations

LINE_BYTES = 1 << 20
"""Longest physical line that is kept. ztunnel's longest real lines are tens of kilobytes (policy errors)."""

LINE_KEPT_CHARS = 4096
"""How much of a longer line is kept to say what it was."""

DOCUMENT_CHARS = 64 << 20
"""Longest JSON document (a query result on one line, or pretty-printed over many) that is held to be decoded.

An Elasticsearch answer is capped at 10 000 hits (about 15 MB), a Loki answer at 5 000 lines (about 5 MB).
"""

DOCUMENT_PIECE_CHARS = 1 << 20
"""A JSON document over several lines is given in pieces of about this length, whole elements each."""

NESTING = 12
"""Wrappers inside wrappers. The deepest real case (Logs Insights: JSON, JSON, text) has four."""

PROBLEMS_KEPT = 1000
"""Problems kept with their text, per input; all are counted."""

EVENTS_KEPT = 1000
"""Starts of a ztunnel and changes of its log filter kept, per input; each is rare."""

PROBLEM_CHARS = 4096
"""How much of a problem's line is kept."""

JOIN_LINES = 64
"""Physical lines one wrapped record may be spread over: 30 columns wide, the longest plain record needs about 40."""

JOIN_CHARS = 1 << 16
"""Characters one wrapped record may have."""

JOIN_AGAIN = 8
"""How often a character may be read again, on average, because it might be the end of a record, or the record it seemed
to go on was none."""

BLOCK_LINES = 400
"""Lines of one start-up configuration block; releases 1.18 to 1.31 print 30 to 100."""

STREAMS = 4096
"""Writers (pod and output) whose unfinished lines are held at the same time."""

PREFIXES = 4096
"""Wrapper prefixes remembered; a capture has one a pod."""

DECOMPRESSION_RATIO = 1000
"""Decompressed bytes a compressed byte may yield, once `RATIO_FROM` bytes came out. Logs reach 10 to 40."""

RATIO_FROM = 256 << 20
"""Below this size no ratio is suspicious."""

ARCHIVE_BYTES = 4 << 30
"""Largest zip that is put into a temporary file, because it comes through a pipe or is inside another archive."""

TAR_HEADER_BYTES = 1 << 20
"""Longest data of a tar header (a long name, pax records), which are kept in memory. Names end at 4096 bytes."""

INVENTORY_BYTES = 64 << 20
"""Largest inventory that is taken out of a folder or an archive; 10 000 pods as JSON are about 50 MB."""

INVENTORIES_BYTES = 256 << 20
"""What all of them may have together."""
