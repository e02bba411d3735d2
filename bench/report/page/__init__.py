"""One self-contained HTML page of runs and studies: made from records, read without a network.

content.py  a run -> what the page shows of it, as JSON
views.py    a board's rows, pairs and charts
settings.py what changes along a setting; loss curves
people.py   single users: history, truth, answers, scores
studies.py  a study's CSV files -> charts
render.py   template, libraries and content -> one file
"""
