"""seen-connector: customer events in Kafka become videos at SEEN, and video-ready events come back into Kafka.

The reading map. One event, from left to right; each name is a module, and its docstring begins with its rules:

    kafka.source → delivery.pump → outbound.mapping → delivery.lanes → delivery.turns → delivery.dispatch
        → delivery.preparing → outbound.images → seen.images → seen.imageclient → the images' hosts → seen.quota
        → delivery.request → outbound.data → seen.client → http.client → SEEN → seen.verdict → delivery.delivery
        → delivery.settle → published, deadletter → kafka.sink → delivery.offsets → kafka.source, committed

One callback:

    inbound.listener → inbound.bodyendpoint → inbound.auth, tokens → inbound.door → inbound.callback, viewer
        → published → inbound.durable → kafka.sink → 2xx

One call of Braze's, which becomes a record of a source topic:

    inbound.listener → inbound.bodyendpoint → inbound.door → inbound.brazeintake → inbound.brazebody → outbound.mapping
        → inbound.durable → kafka.sink → inbound.brazeanswer

One video that does not come:

    kafka.follower → videos.facts → videos.ledger → videos.watch → videos.reconciler → seen.client → SEEN → published

One video on its way to Braze:

    kafka.source → delivery.pump → export.attributes → delivery.dispatch → delivery.request → export.destination
        → braze.client → http.client → Braze → braze.track → delivery.delivery → delivery.settle

Begin with `workspace`, which wires all of that for one workspace; `app` runs many of them; `types` has the values that
pass between the layers, and `errors` what can be raised. Imports go down only: the layers are in pyproject.toml, and
`make lint` holds them.
"""
