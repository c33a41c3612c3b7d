"""The layouts of Envoy's access log: Istio's text and JSON, and what a format string of the user's own describes.

A format string is compiled into one regular expression that needs linear time: every value ends where the literal text
after its operator begins. Sources: istio/istio 1.24.0 pilot/pkg/model/telemetry_logging.go:44 (text) and :60 (JSON);
Envoy's documentation, "Access logging", for the operators.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson

from ztflow.errors import UsageError
from ztflow.text.patterns import lazy_pattern

ISTIO_TEXT: Final = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" '
    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" '
    '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% "
    "%ROUTE_NAME%"
)
"""What Istio sets unless the mesh configuration has a format of its own."""

_FIELDS: Final = {
    "START_TIME": "start",
    "REQ(:METHOD)": "method",
    "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)": "path",
    "REQ(:PATH)": "path",
    "PROTOCOL": "protocol",
    "RESPONSE_CODE": "code",
    "RESPONSE_FLAGS": "flags",
    "RESPONSE_CODE_DETAILS": "details",
    "CONNECTION_TERMINATION_DETAILS": "ended",
    "BYTES_RECEIVED": "received",
    "BYTES_SENT": "sent",
    "DURATION": "duration",
    "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)": "service_time",
    "REQ(USER-AGENT)": "agent",
    "REQ(:AUTHORITY)": "authority",
    "UPSTREAM_HOST": "upstream",
    "UPSTREAM_CLUSTER": "cluster",
    "UPSTREAM_CLUSTER_RAW": "cluster",
    "DOWNSTREAM_LOCAL_ADDRESS": "local",
    "DOWNSTREAM_REMOTE_ADDRESS": "remote",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": "remote",
}
"""Operator → what it tells; other operators are read over."""

_ISTIO_JSON: Final = {
    "start_time": "start", "method": "method", "path": "path", "protocol": "protocol", "response_code": "code",
    "response_flags": "flags", "response_code_details": "details", "connection_termination_details": "ended",
    "bytes_received": "received", "bytes_sent": "sent", "duration": "duration", "upstream_service_time": "service_time",
    "user_agent": "agent", "authority": "authority", "upstream_host": "upstream", "upstream_cluster": "cluster",
    "downstream_local_address": "local", "downstream_remote_address": "remote",
}  # fmt: skip

FIELDS_NEEDED: Final = ("start", "duration", "received", "sent", "local", "remote")
"""Without these no line can be joined to a connection."""

_OPERATOR = lazy_pattern(r"%%|%([A-Z0-9_]+)(\([^()%]*(?:%[^()%]+)*\))?(?::\d+)?%")
_NUMBER = r"-|\d{1,19}"
_PATTERNS = {"code": _NUMBER, "received": _NUMBER, "sent": _NUMBER, "duration": _NUMBER}


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How a line is taken apart.

    Attributes:
        pattern: For lines of text: matches the whole line, a named group a field.
        keys: For lines that are JSON: key → field.
    """

    pattern: re.Pattern[str] | None = None
    keys: Mapping[str, str] | None = None

    def fields(self, text: str, value: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Field → text or number of a line, None when the line is not of this layout; an absent value is None.

        Args:
            text: The line.
            value: The object it is, where it is JSON.
        """
        if self.keys is not None:
            if value is None or any(key not in value for key, field in self.keys.items() if field in FIELDS_NEEDED):
                return None
            return {field: value.get(key) for key, field in self.keys.items()}
        match = None if self.pattern is None or value is not None else self.pattern.fullmatch(text)
        if match is None:
            return None
        return {field: None if part == "-" else part for field, part in match.groupdict().items()}


@cache
def default_layouts() -> tuple[Layout, ...]:
    """Istio's text and Istio's JSON."""
    return layout_of(ISTIO_TEXT), Layout(keys=_ISTIO_JSON)


def layout_of(form: str) -> Layout:
    """The layout a format describes: a format string, or a JSON object of key → format string.

    Raises:
        UsageError: It lacks what the join needs, or its values cannot be told apart.
    """
    form = form.strip()
    if form.startswith("{"):
        return _json_layout(form)
    parts: list[str] = []
    seen: set[str] = set()
    place, ended = 0, True
    operators = [match for match in _OPERATOR.finditer(form) if match[1] is not None]
    for number, match in enumerate(operators):
        literal = form[place : match.start()].replace("%%", "%")
        if not literal and not ended:
            raise UsageError(f"--envoy-format: nothing between the operators before {match[0]}, so no line can be read")
        following = operators[number + 1].start() if number + 1 < len(operators) else len(form)
        stop = form[match.end() : following].replace("%%", "%")
        field = _field(match)
        value = _PATTERNS.get(field or "") or (rf"(?:(?!{re.escape(stop)}).)*+" if stop else r".*")
        parts += [re.escape(literal), f"(?P<{field}>{value})" if field and field not in seen else f"(?:{value})"]
        seen |= {field} if field else set()
        place, ended = match.end(), bool(stop)
    _check(seen)
    return Layout(re.compile("".join(parts) + re.escape(form[place:].replace("%%", "%")), re.DOTALL))


def _field(operator: re.Match[str]) -> str | None:
    name, argument = operator[1], operator[2] or ""
    return _FIELDS.get("START_TIME" if name == "START_TIME" else name + argument.upper())


def _json_layout(form: str) -> Layout:
    try:
        members = orjson.loads(form)
    except ValueError as error:
        raise UsageError(f"--envoy-format: no JSON: {error}") from None
    keys = {}
    for key, text in members.items():
        operator = _OPERATOR.fullmatch(text) if isinstance(text, str) else None
        field = _field(operator) if operator is not None and operator[1] is not None else None
        if field is not None:
            keys[key] = field
    _check(set(keys.values()))
    return Layout(keys=keys)


def _check(seen: set[str]) -> None:
    lacking = [field for field in FIELDS_NEEDED if field not in seen]
    if lacking:
        operators = {field: operator for operator, field in reversed(_FIELDS.items())}
        named = ", ".join(f"%{operators[field]}%" for field in lacking)
        raise UsageError(f"--envoy-format: lacks {named}, without which no request can be joined to a connection")
