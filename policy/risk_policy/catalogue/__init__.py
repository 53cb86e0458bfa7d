"""Every metric, limit and alert there is, with its labels and meaning.

Exporter, rules, routes and documents take their names from here, so a misspelt metric
cannot be generated.
"""
