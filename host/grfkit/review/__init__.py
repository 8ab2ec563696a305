"""A trial's clocks decided on by eye, on a local page: :func:`grfkit.review.server.review_trial`."""
