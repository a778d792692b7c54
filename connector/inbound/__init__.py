"""Callbacks → Kafka, and what Braze posts.

Read in this order: `listener` (the HTTP server), `bodyendpoint` (one call), `manner` (what differs between kinds of calls),
`auth` (who calls), `door` (what becomes of it), `callback` and `viewer` (what it says), `reading` (what both are read as),
`durable` (Kafka or the spool, and from there into Kafka), `answer`.

    brazeintake.py, brazebody.py            what becomes of what Braze posts, and what it holds
    brazeanswer.py                          what Braze is told
    spool.py, holding.py                    the disk, asynchronously, and what is known of its content
    spoolfile.py, spoolfolder.py            its rows, SQLite
    tokens.py, jwks.py, keyset.py           access tokens: ours, and those of somebody else's server with its public keys
    tokenendpoint.py, grants.py             where SEEN fetches ours
    slowing.py, attempts.py, peers.py       wrong secrets are answered late, by address
    connections.py, places.py, caller.py    what is too slow or too much is cut off; who may stay where places are few
    limits.py, room.py, body.py             what calls may take: so many at once, and a body read with limits
    openapi.py, brazeopenapi.py             the description of all that
    answerschema.py                         of its answers: read from them
    documentendpoint.py                     where that is served
    accesslog.py                            a line for each call
"""
