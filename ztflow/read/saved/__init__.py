"""Tables ztflow saved, or another program saved again, come back as the rows they were.

Flows are not paired again, access lines are. A table is known by the names of its columns (`recognise`), each column is
brought to its declared type (`columns`), and what does not fit is a problem of its row (`rows`). Parquet and CSV are
read by Arrow (`tables`); JSON lines come through `read.stream` like any other line, so they may stand among them.
"""
