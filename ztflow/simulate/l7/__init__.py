"""A waypoint that works on requests: reads HTTP, adds headers, pools its connections to servers, logs every request.

`settings` says what goes over connections to it, `plan` draws the requests, `pool` finds which connection to a server
carries each, `envoy` writes the access log. How real a waypoint does these things was seen in captured runs of Envoy
1.36.4, 1.39.3 and 1.40.0; the numbers taken from them are named where they stand.
"""
