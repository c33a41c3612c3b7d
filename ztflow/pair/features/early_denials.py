"""Early denials: requests a server's ztunnel refused before it tracked them, whose half is a `connection failed` line.

Such a line carries two addresses and an error text, no authority, no identity and no counts. The client's half is a
whole line that ended with the server's answer, `http status: 400 Bad Request`. What joins them
(docs/reference/ztunnel-log.md#one-error-two-texts): the client's address, the address dialled, and the authority,
which the refusal names in its text. No other inbound line goes with a 400: denials are answered with 401, dead
applications with 503.

A call to one of ztunnel's own ports is refused in words that name nothing, with 400 before 1.26.0 and with 503 since.
There the port asked for decides: a request to it is always refused.

Not joined, because the line says too little: TLS failures, of which the client may see anything or nothing; unknown
host names, where halves of two networks share no address; a server's pod that its ztunnel does not know yet (503, as
every dead application). `expected method CONNECT` has no ztunnel on the other side.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import NONE, WordMemory, codes_of, encoded, per_word, text_hash
from ztflow.model.vocabulary import ErrorClass, Message

OWN_PORTS: Final = (15001, 15006, 15008)
"""Where ztunnel listens: outbound, inbound plaintext, HBONE (docs/reference/ztunnel-log.md#ports)."""
OWN_PORT: Final = np.uint64(1)
"""Used as the authority of a call to one of them; the hash of no text."""

_MAY_BE, _BY_PORT = 1, 2
_REFUSALS: Final[dict[str, int]] = {
    ErrorClass.PEER_REFUSED: _MAY_BE,
    ErrorClass.BAD_AUTHORITY: _MAY_BE,
    ErrorClass.UNKNOWN_DESTINATION: _MAY_BE,
    ErrorClass.RECURSIVE: _MAY_BE,
    ErrorClass.PEER_UNAVAILABLE: _BY_PORT,
}
_COLUMNS_OF_REFUSALS: Final = ("error", "message", "dst_ip", "dst_port", "hbone_host", "hbone_port")
_REFUSED, _UNAVAILABLE = "http status: 400", "http status: 503"
_MISMATCH = "ip mismatch: "
_WITH_PORT = ("invalid CONNECT address ", "no valid authority pseudo header: ")
_UNKNOWN = "unknown destination: "
_RECURSIVE = "attempted recursive call to ourselves"


def is_complete(message: str) -> bool:
    """Whether a line's message says that the connection was tracked to its end."""
    return message == Message.COMPLETE


def is_failed(message: str) -> bool:
    """Whether a line's message says that the connection was refused before it was tracked."""
    return message == Message.FAILED


def refused(
    halves: pa.Table, outbound: npt.NDArray[np.bool_], memory: WordMemory
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint64]]:
    """Which halves are of a refused request, and the hash of the host that each asked for; `OWN_PORT` for such a call.

    Args:
        halves: The rows (`schema.HALVES`).
        outbound: Which of them are a client's.
        memory: What is known of their words.

    Cost: nothing while no error of these classes is among the words; else 1 ns a row, a few passes over the rows with
    an error, and Python once a distinct text.
    """
    classes = encoded(halves.column("error_class"))
    kinds = memory.by_word("error_class", classes.dictionary, _kind, np.uint8)
    if not kinds.any():
        return np.zeros(0, np.intp), np.zeros(0, np.uint64)
    codes = codes_of(classes)
    rows = np.flatnonzero(codes != NONE)  # few rows have an error
    kind = kinds[codes[rows]]
    rows, by_port = rows[kind != 0], kind[kind != 0] == _BY_PORT
    if by_port.any():
        rows = rows[~by_port | _is_own(halves.column("hbone_port").take(pa.array(rows)))]
    part = halves.select(_COLUMNS_OF_REFUSALS).take(pa.array(rows))
    error = part.column("error")
    asked = np.where(outbound[rows], _asked(part, error), _named(part, error))
    return rows[asked != 0], asked[asked != 0]


def _asked(part: pa.Table, error: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """What clients' halves asked for, where a refusal may have been the answer; else 0."""
    host = per_word(part.column("hbone_host"), text_hash, np.uint64)
    own = _is_own(part.column("hbone_port")) & (host == per_word(part.column("dst_ip"), text_hash, np.uint64))
    answered = per_word(error, _answer, np.uint8)
    whole = per_word(part.column("message"), is_complete, np.bool_) & (host != 0)
    asked = np.where(own & (answered != 0), OWN_PORT, np.where(answered == _MAY_BE, host, np.uint64(0)))
    result: npt.NDArray[np.uint64] = np.where(whole, asked, np.uint64(0))
    return result


def _named(part: pa.Table, error: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """What servers' refusals name in their texts; 0 for other lines."""
    accepted = per_word(error, _accepted, np.uint64)
    here = (accepted == 0) | (accepted == per_word(part.column("dst_ip"), text_hash, np.uint64))
    # The port tells a tunnel from plaintext, which is refused in some of the same words.
    early = per_word(part.column("message"), is_failed, np.bool_) & _is_own(part.column("dst_port"))
    result: npt.NDArray[np.uint64] = np.where(here & early, per_word(error, _authority, np.uint64), np.uint64(0))
    return result


def _is_own(ports: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.isin(pc.fill_null(ports, 0).to_numpy(), OWN_PORTS)


def _kind(error_class: str) -> int:
    return _REFUSALS.get(error_class, 0)


def _answer(error: str) -> int:
    return _MAY_BE if error.startswith(_REFUSED) else _BY_PORT if error.startswith(_UNAVAILABLE) else 0


def _accepted(error: str) -> int:
    """Hash of the address a mismatch says the connection came to."""
    if not error.startswith(_MISMATCH):
        return 0
    return text_hash(error.removeprefix(_MISMATCH).partition(" != ")[0])


def _authority(error: str) -> int:
    """Hash of the host a refusal names."""
    if error == _RECURSIVE:
        return int(OWN_PORT)
    if error.startswith(_MISMATCH):
        host = error.partition(" != ")[2]
    elif error.startswith(_UNKNOWN):
        host = error.removeprefix(_UNKNOWN)
    else:
        prefix = next((prefix for prefix in _WITH_PORT if error.startswith(prefix)), None)
        host = "" if prefix is None else error.removeprefix(prefix).rpartition(":")[0].strip("[]")
    return text_hash(host) if host else 0
