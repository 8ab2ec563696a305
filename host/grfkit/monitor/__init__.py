"""Insoles live: connections that are kept alive, a hub between them and listeners, and a page, a terminal or JSON."""
