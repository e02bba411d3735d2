"""Raw points (time, longitude, latitude of many users) become a city: days, timeslots and cells.

Files -> ``reading`` -> ``cleaning`` -> ``frame`` (projection, extent, cells) -> ``slots`` (local time, one cell a
slot) -> ``windows`` (days, activity) -> ``conversion``: rows, ``city_X.yaml`` and a report.
"""
