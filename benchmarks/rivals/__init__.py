"""What a user would write or run instead of this connector, each in a process of its own.

Read `forward` (the loop, for any limiter); `leaky_bucket`, `sliding_window` and `fixed_window` are three limiters with it,
`faststream_app` is the same on FastStream. All have as many requests in flight as the connector.
"""
