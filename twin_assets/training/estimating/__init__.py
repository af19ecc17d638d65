"""What a training will take, before it is launched: memory, hours and cost, and whether a device can carry it.

`architecture` knows the model's shapes, `memory` and `compute` hold the formulas with their sources, `prices` reads the
table of instances, `workload` counts the tokens, `estimate` puts them together and `fitting` refuses what does not fit
and finds what would. Nothing here starts, downloads weights or imports dagster.
"""
