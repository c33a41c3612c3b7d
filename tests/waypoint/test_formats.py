"""Format strings of Envoy's access log."""

from __future__ import annotations

import time

import pytest

from ztflow.errors import UsageError
from ztflow.waypoint.formats import ISTIO_TEXT, layout_of

NEEDED = "%START_TIME% %DURATION% %BYTES_RECEIVED% %BYTES_SENT% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%"


def test_values_end_where_the_literal_text_begins():
    layout = layout_of(f'100%% "%REQ(USER-AGENT)%" {NEEDED} %REQ(X-OWN?:PATH):20% end')
    fields = layout.fields('100% "a "b"c" 2026-01-01T00:00:00Z 5 0 - 10.0.0.1:80 10.0.0.2:1 /x end', None)
    assert fields is not None
    assert fields["agent"] == 'a "b"c'
    assert (fields["duration"], fields["sent"], fields["remote"]) == ("5", None, "10.0.0.2:1")


def test_a_json_format_is_read_by_its_keys():
    layout = layout_of(
        '{"t": "%START_TIME%", "ms": "%DURATION%", "in": "%BYTES_RECEIVED%", "out": "%BYTES_SENT%", "who": '
        '"%DOWNSTREAM_REMOTE_ADDRESS%", "to": "%DOWNSTREAM_LOCAL_ADDRESS%", "team": "shop"}'
    )
    fields = layout.fields("", {"t": "x", "ms": 1, "in": 2, "out": 3, "who": "10.0.0.2:1", "to": "10.0.0.1:80"})
    assert fields == {
        "start": "x",
        "duration": 1,
        "received": 2,
        "sent": 3,
        "remote": "10.0.0.2:1",
        "local": "10.0.0.1:80",
    }
    assert layout.fields("", {"t": "x"}) is None


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("%START_TIME% %DURATION%", "%BYTES_RECEIVED%"),
        ("%START_TIME%%DURATION% %BYTES_SENT%", "nothing between"),
        ('{"t": %START_TIME%}', "no JSON"),
    ],
)
def test_what_cannot_serve_is_refused_with_the_reason(form, why):
    with pytest.raises(UsageError, match=why):
        layout_of(form)


def test_hostile_lines_take_linear_time():
    layout = layout_of(ISTIO_TEXT)
    started = time.process_time()
    for text in ('[2026-01-01T00:00:00.000Z] "' + 'GET " ' * 20_000, "[" + '] "' * 40_000, '" ' * 60_000):
        assert layout.fields(text, None) is None
    assert time.process_time() - started < 1
