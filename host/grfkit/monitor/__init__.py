"""The insole live: stations keep connections alive, a hub gathers, and a page, a terminal or JSON shows."""
