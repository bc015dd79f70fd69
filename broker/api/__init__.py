"""The HTTP API: access tokens and states for authenticated clients.

One table of routes (:mod:`broker.api.routes`) makes both the application and its OpenAPI
document. There is no middleware: :mod:`broker.api.endpoint` wraps each handler once. A request
for a token goes ``endpoint → authenticate → token → answer`` and touches no disk but the audit
trail's; the answer's bytes were made when the token came.
"""
