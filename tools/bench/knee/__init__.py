"""The benchmark of facts of people: do knee alignment and affected side help networks to estimate force?"""
