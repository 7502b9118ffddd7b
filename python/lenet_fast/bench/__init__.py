"""How fast the package is on this machine, and beside the other runtimes: `lenet-fast bench`.

subjects -> contest (peers/, peak) -> report, plot
"""
