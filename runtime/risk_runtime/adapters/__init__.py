"""The risk layer inside trading runtimes that exist already, one folder each.

Nothing of it is imported by ``risk_runtime`` itself: a runtime's package has to be installed only
where its adapter is used.
"""
